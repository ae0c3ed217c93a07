/* The mean cross-entropy of a minibatch and its gradient, for all libraries here: none has it fused. */

#include <math.h>
#include <stdint.h>

/* Y: a row of ld numbers a sample, of which T are classes; it becomes scale·(softmax(Y) − one-hot). Returns the losses' sum.
   Rows have at most 16 classes as vectors; exp is vectorised by the compiler, over all of the rows at once. */
static double softmax_loss(float *Y, const int64_t *y, const int64_t *order, int B, int T, int ld, float scale) {
    double loss = 0;
    for (int s = 0; s < B; s++) {
        float *row = Y + (long)s * ld, most = row[0];
        for (int t = 1; t < T; t++) most = row[t] > most ? row[t] : most;
        for (int t = 0; t < ld; t++) row[t] -= most;
        loss -= row[y[order[s]]];
    }
    for (long n = 0; n < (long)B * ld; n++) Y[n] = expf(Y[n]);
    for (int s = 0; s < B; s++) {
        float *row = Y + (long)s * ld, sum = 0;
        for (int t = 0; t < T; t++) sum += row[t];
        loss += logf(sum);
        float factor = scale / sum;
        for (int t = 0; t < T; t++) row[t] *= factor;
        for (int t = T; t < ld; t++) row[t] = 0;
        row[y[order[s]]] -= scale;
    }
    return loss;
}
