/* What a library of this folder exports, called by perf/c/__init__.py. float32, plain SGD.

A product is one of the layer's, on arrays of the caller: W (T, N), X (N, B), b (T,), dY (T, B), row after row.
A network has relu between its layers and trains on the mean cross-entropy; its parameters are W and b of each layer. */

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { FORWARD, GRAD_W, GRAD_X };

#define REFERENCE "reference code"

const char *peer_version(void);
const char *peer_error(void);
const char *peer_isa(void); /* the instruction set it runs with, in its own words */

/* 0 where it was not made, and peer_error says why: REFERENCE, if the library has no code for it that anybody would use */
void *product_new(int op, int T, int N, int B, const float *W, const float *X, const float *b, const float *dY, float *out);
void product_run(void *product);
void product_free(void *product);

void *network_new(int layers, const int *sizes, int batch, float rate, const float *X, const int64_t *y);
void network_set(void *network, const float *parameters);
void network_get(void *network, float *parameters);
double network_epoch(void *network, const int64_t *order, int batches); /* the mean loss; order: samples */
void network_free(void *network);

#ifdef __cplusplus
}
#endif
