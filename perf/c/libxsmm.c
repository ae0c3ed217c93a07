/* The layer's products and a training step with LIBXSMM, as its authors would write them.

Small products are compiled while the program runs, for their exact sizes (libxsmm_smmdispatch); blocking and packing are the
caller's. LIBXSMM is column-major: C (m, n) += A (m, k) B (k, n), vectors along m, which is contiguous. There is no A
transposed. In training everything is kept in blocks, which a batch-reduce kernel sums over:
    W   [blocks of outputs][blocks of inputs][input][output]
    H   [blocks of outputs][sample][output], and so are its gradients; the last block is filled up with zeros
and SGD costs little: −rate is in the loss's gradient, so that a block of the product dY Xᵀ is added to W from the first
cache. (Summed up on top of W itself it would be rounded as coarsely as W is, for every sample.) */

#include "peer.h"
#include "softmax.h"

#include <libxsmm.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#define LIBXSMM_STRING(major, minor) LIBXSMM_TEXT(major) "." LIBXSMM_TEXT(minor)
#define LIBXSMM_TEXT(number) #number

const char *peer_version(void) { return LIBXSMM_STRING(LIBXSMM_VERSION_MAJOR, LIBXSMM_VERSION_MINOR); }

const char *peer_error(void) { return ""; }

const char *peer_isa(void) {
    libxsmm_init();
    return libxsmm_get_target_arch();
}

static int smaller(int a, int b) { return a < b ? a : b; }

static void *aligned(long numbers) {
    void *memory = NULL;
    long bytes = (numbers ? numbers : 1) * sizeof(float);
    if (posix_memalign(&memory, 64, bytes)) abort();
    memset(memory, 0, bytes);
    return memory;
}

/* out (n, m) = in (m, n) transposed, rows ldi and ldo apart: 8 × 8 in registers, which GCC makes of the inner loops. */
static void transpose(const float *restrict in, float *restrict out, int m, int n, int ldi, int ldo) {
    int i = 0;
    for (; i + 8 <= m; i += 8) {
        int j = 0;
        for (; j + 8 <= n; j += 8) {
            typedef float vector __attribute__((vector_size(32), aligned(4)));
            typedef int pick __attribute__((vector_size(32)));
            vector r[8], t[8];
            for (int k = 0; k < 8; k++) r[k] = *(const vector *)(in + (long)(i + k) * ldi + j);
            for (int k = 0; k < 8; k += 2) {
                t[k] = __builtin_shuffle(r[k], r[k + 1], (pick){0, 8, 1, 9, 4, 12, 5, 13});
                t[k + 1] = __builtin_shuffle(r[k], r[k + 1], (pick){2, 10, 3, 11, 6, 14, 7, 15});
            }
            for (int k = 0; k < 8; k += 4) {
                r[k] = __builtin_shuffle(t[k], t[k + 2], (pick){0, 1, 8, 9, 4, 5, 12, 13});
                r[k + 1] = __builtin_shuffle(t[k], t[k + 2], (pick){2, 3, 10, 11, 6, 7, 14, 15});
                r[k + 2] = __builtin_shuffle(t[k + 1], t[k + 3], (pick){0, 1, 8, 9, 4, 5, 12, 13});
                r[k + 3] = __builtin_shuffle(t[k + 1], t[k + 3], (pick){2, 3, 10, 11, 6, 7, 14, 15});
            }
            for (int k = 0; k < 4; k++) {
                t[k] = __builtin_shuffle(r[k], r[k + 4], (pick){0, 1, 2, 3, 8, 9, 10, 11});
                t[k + 4] = __builtin_shuffle(r[k], r[k + 4], (pick){4, 5, 6, 7, 12, 13, 14, 15});
            }
            for (int k = 0; k < 8; k++) *(vector *)(out + (long)(j + k) * ldo + i) = t[k];
        }
        for (; j < n; j++)
            for (int k = 0; k < 8; k++) out[(long)j * ldo + i + k] = in[(long)(i + k) * ldi + j];
    }
    for (; i < m; i++)
        for (int j = 0; j < n; j++) out[(long)j * ldo + i] = in[(long)i * ldi + j];
}

/* ---- products --------------------------------------------------------------------------------------------------- */

enum { MB = 64, NB = 96, KB = 256 };

/* C[p][q] = Σ_k A[p][k]·Z[k][q] (+ b[p]), vectors along q. */
typedef struct {
    int P, Q, K, packed;
    const float *A, *Z, *b;
    long a_p, a_k, z_k, z_q; /* strides: one of a_p and a_k is 1, and one of z_k and z_q */
    float *C;
    libxsmm_smmfunction kernels[2][2][2][2]; /* a last block of q, p, k; added to C */
    float *panels;                           /* a block of Z for each thread */
} Product;

static libxsmm_smmfunction compile(const Product *p, int m, int n, int k, int add) {
    int lda = p->packed ? MB : (int)p->z_k, ldb = (int)(p->a_k == 1 ? p->a_p : p->a_k), ldc = p->Q;
    int flags = p->a_k == 1 ? LIBXSMM_GEMM_FLAG_NONE : LIBXSMM_GEMM_FLAG_TRANS_B;
    float one = 1, beta = (float)add;
    if (!m || !n || !k) return NULL;
    if (p->a_k == 1 && ldb < k) ldb = k;
    libxsmm_smmfunction found = libxsmm_smmdispatch(m, n, k, &lda, &ldb, &ldc, &one, &beta, &flags, NULL);
    if (!found) abort();
    return found;
}

void *product_new(int op, int T, int N, int B, const float *W, const float *X, const float *b, const float *dY, float *out) {
    libxsmm_init();
    Product *p = calloc(1, sizeof *p);
    *p = op == FORWARD  ? (Product){T, B, N, 0, W, X, b, N, 1, B, 1, out}
         : op == GRAD_W ? (Product){T, N, B, 0, dY, X, NULL, B, 1, 1, B, out}
                        : (Product){N, B, T, 0, W, dY, NULL, 1, N, B, 1, out};
    if (p->Q == 1 && !p->b) { /* a column is a row: vectors along p */
        Product t = *p;
        p->P = 1, p->Q = t.P, p->A = t.Z, p->Z = t.A;
        p->a_p = 1 == t.z_k ? t.K : 1, p->a_k = t.z_k, p->z_k = t.a_k, p->z_q = t.a_p;
    }
    if (p->K == 1) p->z_q = 1, p->z_k = p->Q; /* one row, whose numbers lie side by side */
    int far = p->z_k % 256 == 0 && p->K > 8;                 /* rows in the same set of the first cache */
    p->packed = p->z_q != 1 || (p->P > 16 && (far || p->K > KB));
    for (int q = 0; q < 2; q++)
        for (int n = 0; n < 2; n++)
            for (int k = 0; k < 2; k++)
                for (int add = 0; add < 2; add++)
                    p->kernels[q][n][k][add] =
                        compile(p, q ? p->Q % MB : smaller(MB, p->Q), n ? p->P % NB : smaller(NB, p->P),
                                k ? p->K % KB : smaller(KB, p->K), add);
    p->panels = aligned((long)omp_get_max_threads() * MB * KB);
    return p;
}

static void block(const Product *p, int q0, int from, int to) {
    float *panel = p->panels + (long)omp_get_thread_num() * MB * KB;
    int q = smaller(MB, p->Q - q0), last_q = p->Q >= MB && q < MB;
    if (p->b)
        for (int t = from; t < to; t++)
            for (int s = 0; s < q; s++) p->C[(long)t * p->Q + q0 + s] = p->b[t];
    for (int k0 = 0; k0 < p->K; k0 += KB) {
        int k = smaller(KB, p->K - k0), last_k = p->K >= KB && k < KB;
        const float *Z = p->Z + k0 * p->z_k + q0 * p->z_q;
        if (p->packed) {
            if (p->z_q != 1)
                transpose(Z, panel, q, k, (int)p->z_q, MB);
            else
                for (int i = 0; i < k; i++) memcpy(panel + (long)i * MB, Z + i * p->z_k, q * sizeof(float));
            Z = panel;
        }
        for (int n0 = from; n0 < to; n0 += NB) {
            int last_n = p->P >= NB && p->P - n0 < NB;
            libxsmm_smmfunction kernel = p->kernels[last_q][last_n][last_k][k0 || p->b];
            kernel(Z, p->A + n0 * p->a_p + k0 * p->a_k, p->C + (long)n0 * p->Q + q0);
        }
    }
}

void product_run(void *product) {
    const Product *p = product;
    int blocks = (p->Q + MB - 1) / MB, parts = (p->P + NB - 1) / NB;
    int threads = 2L * p->P * p->Q * p->K < 1000000 ? 1 : omp_get_max_threads();
    if (threads == 1) {
        for (int n = 0; n < blocks; n++) block(p, n * MB, 0, p->P);
        return;
    }
    int groups = blocks >= threads ? 1 : smaller(parts, threads), each = (parts + groups - 1) / groups * NB;
#pragma omp parallel for collapse(2) schedule(static)
    for (int n = 0; n < blocks; n++)
        for (int g = 0; g < groups; g++) block(p, n * MB, g * each, smaller(p->P, (g + 1) * each));
}

void product_free(void *product) {
    Product *p = product;
    free(p->panels);
    free(p);
}

/* ---- training --------------------------------------------------------------------------------------------------- */

typedef struct {
    int T, N;              /* outputs, inputs */
    int m, blocks;         /* outputs of a block, and blocks */
    int k, inputs;         /* inputs of a block, and blocks */
    float *W, *b, *H, *dH; /* dH: the gradient of H times −rate */
    float *turned;         /* for each thread: the blocks of W for a block of inputs, each transposed */
    libxsmm_smmfunction_reducebatch_strd forward, grad_x;
    libxsmm_smmfunction grad_w;
} Layer;

typedef struct {
    int layers, batch, part; /* part: samples of a thread */
    float rate;
    const float *X;
    const int64_t *y;
    float *input; /* the minibatch */
    Layer layer[16];
    double loss[256];
} Network;

/* How numbers are split into blocks of at most 64, each a multiple of `lanes`, with the fewest zeros at the end. */
static void split(int numbers, int lanes, int *each, int *blocks) {
    long best = -1;
    for (int size = numbers <= 64 ? (numbers + lanes - 1) / lanes * lanes : 64; size >= 32 || best < 0; size -= lanes) {
        long padded = (numbers + size - 1) / size * (long)size;
        if (best < 0 || padded < best) best = padded, *each = size, *blocks = (numbers + size - 1) / size;
    }
}

void *network_new(int layers, const int *sizes, int batch, float rate, const float *X, const int64_t *y) {
    libxsmm_init();
    int lanes = libxsmm_get_target_archid() >= LIBXSMM_X86_AVX512 ? 16 : 8, threads = omp_get_max_threads();
    Network *net = calloc(1, sizeof *net);
    net->layers = layers, net->batch = batch, net->rate = rate, net->X = X, net->y = y;
    net->part = batch % threads ? batch : batch / threads;
    int k = 0, inputs = 0, part = net->part;
    split(sizes[0], 1, &k, &inputs);
    net->input = aligned((long)inputs * k * batch);
    for (int n = 0; n < layers; n++) {
        Layer *l = &net->layer[n];
        l->N = sizes[n], l->T = sizes[n + 1], l->k = k, l->inputs = inputs;
        split(l->T, lanes, &l->m, &l->blocks);
        long padded = (long)l->blocks * l->m;
        l->W = aligned(padded * l->k * l->inputs), l->b = aligned(padded);
        l->H = aligned(padded * batch), l->dH = aligned(padded * batch), l->turned = aligned((long)threads * padded * l->k);
        float one = 1, zero = 0;
        int m = l->m, transposed = LIBXSMM_GEMM_FLAG_TRANS_B, float_size = sizeof(float);
        l->forward = libxsmm_smmdispatch_reducebatch_strd(
            m, part, k, m * k * float_size, k * batch * float_size, &m, &k, &m, &one, &one, NULL, NULL);
        l->grad_x = libxsmm_smmdispatch_reducebatch_strd(
            k, part, m, m * k * float_size, m * batch * float_size, &k, &m, &k, &one, &zero, NULL, NULL);
        l->grad_w = libxsmm_smmdispatch(m, k, batch, &m, &k, &m, &one, &zero, &transposed, NULL);
        if (!l->forward || !l->grad_x || !l->grad_w) abort();
        k = l->m, inputs = l->blocks;
    }
    return net;
}

/* Parameters as others have them, W (T, N) and then b, into the blocks, or back. */
static void convert(Network *net, float *parameters, int back) {
    for (int n = 0; n < net->layers; n++) {
        Layer *l = &net->layer[n];
        for (int t = 0; t < l->T; t++)
            for (int i = 0; i < l->N; i++) {
                long at = (((long)(t / l->m) * l->inputs + i / l->k) * l->k + i % l->k) * l->m + t % l->m;
                if (back)
                    parameters[(long)t * l->N + i] = l->W[at];
                else
                    l->W[at] = parameters[(long)t * l->N + i];
            }
        parameters += (long)l->T * l->N;
        memcpy(back ? parameters : l->b, back ? l->b : parameters, l->T * sizeof(float));
        parameters += l->T;
    }
}

void network_set(void *network, const float *parameters) { convert(network, (float *)parameters, 0); }
void network_get(void *network, float *parameters) { convert(network, parameters, 1); }

static void gather(Network *net, const int64_t *order, int from, int to) {
    const Layer *l = &net->layer[0];
    for (int s = from; s < to; s++) {
        const float *row = net->X + order[s] * l->N;
        for (int i = 0; i < l->inputs; i++) {
            int k = smaller(l->k, l->N - i * l->k);
            float *restrict out = net->input + ((long)i * net->batch + s) * l->k;
            for (int j = 0; j < k; j++) out[j] = row[i * l->k + j];
        }
    }
}

static void forward(Network *net, int n, int from) {
    Layer *l = &net->layer[n];
    const float *in = (n ? net->layer[n - 1].H : net->input) + (long)from * l->k;
    unsigned long long blocks = l->inputs;
    for (int t = 0; t < l->blocks; t++) {
        float *Y = l->H + ((long)t * net->batch + from) * l->m, *b = l->b + t * l->m;
        for (int s = 0; s < net->part; s++)
            for (int j = 0; j < l->m; j++) Y[s * l->m + j] = b[j];
        l->forward(l->W + (long)t * l->inputs * l->k * l->m, in, Y, &blocks);
        if (n < net->layers - 1)
            for (int j = 0; j < net->part * l->m; j++) Y[j] = Y[j] > 0 ? Y[j] : 0;
    }
}

/* The classes of a wide last layer lie in several blocks: rows of them all are made for the loss. */
static double loss(Network *net, const int64_t *order, int from) {
    Layer *l = &net->layer[net->layers - 1];
    float scale = -net->rate / net->batch;
    if (l->blocks == 1) {
        float *rows = l->dH + (long)from * l->m;
        memcpy(rows, l->H + (long)from * l->m, (long)net->part * l->m * sizeof(float));
        return softmax_loss(rows, net->y, order + from, net->part, l->T, l->m, scale);
    }
    int ld = l->blocks * l->m;
    float *rows = l->turned + (long)omp_get_thread_num() * ld * l->k; /* is free here; whole rows, some at a time */
    double sum = 0;
    for (int s = from; s < from + net->part; s++) {
        for (int t = 0; t < l->blocks; t++)
            memcpy(rows + t * l->m, l->H + ((long)t * net->batch + s) * l->m, l->m * sizeof(float));
        sum += softmax_loss(rows, net->y, order + s, 1, l->T, ld, scale);
        for (int t = 0; t < l->blocks; t++)
            memcpy(l->dH + ((long)t * net->batch + s) * l->m, rows + t * l->m, l->m * sizeof(float));
    }
    return sum;
}

static void grad_x(Network *net, int n) {
    Layer *l = &net->layer[n], *before = &net->layer[n - 1];
    long block = (long)l->m * l->k;
    float *turned = l->turned + omp_get_thread_num() * l->blocks * block;
    unsigned long long blocks = l->blocks;
#pragma omp for schedule(static)
    for (int i = 0; i < l->inputs; i++) {
        for (int t = 0; t < l->blocks; t++)
            transpose(l->W + (t * l->inputs + i) * block, turned + t * block, l->k, l->m, l->m, l->k);
        for (int from = 0; from < net->batch; from += net->part) {
            long at = ((long)i * net->batch + from) * l->k;
            float *dX = before->dH + at, *H = before->H + at;
            l->grad_x(turned, l->dH + (long)from * l->m, dX, &blocks);
            for (int j = 0; j < net->part * l->k; j++) dX[j] = H[j] > 0 ? dX[j] : 0;
        }
    }
}

static void update(Network *net, int n) {
    Layer *l = &net->layer[n];
    const float *in = n ? net->layer[n - 1].H : net->input;
    long block = (long)l->m * l->k;
    float *restrict dW = l->turned + omp_get_thread_num() * l->blocks * block;
#pragma omp for schedule(static)
    for (int at = 0; at < l->blocks * l->inputs; at++) {
        int t = at / l->inputs, i = at % l->inputs;
        const float *dY = l->dH + (long)t * net->batch * l->m;
        float *restrict W = l->W + at * block;
        l->grad_w(dY, in + (long)i * net->batch * l->k, dW);
        for (long j = 0; j < block; j++) W[j] += dW[j];
        if (i) continue;
        memset(dW, 0, l->m * sizeof(float));
        for (int s = 0; s < net->batch; s++)
            for (int j = 0; j < l->m; j++) dW[j] += dY[s * l->m + j];
        for (int j = 0; j < l->m; j++) l->b[t * l->m + j] += dW[j];
    }
}

double network_epoch(void *network, const int64_t *order, int batches) {
    Network *net = network;
    double sum = 0;
#pragma omp parallel
    for (int at = 0; at < batches; at++) {
        const int64_t *chosen = order + (long)at * net->batch;
        int me = omp_get_thread_num();
        double mine = 0;
        for (int from = me * net->part; from < net->batch; from += net->part * omp_get_num_threads()) {
            gather(net, chosen, from, from + net->part); /* a thread's samples are its own until the loss */
            for (int n = 0; n < net->layers; n++) forward(net, n, from);
            mine += loss(net, chosen, from);
        }
        net->loss[me] = mine;
#pragma omp barrier
#pragma omp single
        for (int n = 0; n < omp_get_num_threads(); n++) sum += net->loss[n];
        for (int n = net->layers - 1; n >= 0; n--) {
            if (n) grad_x(net, n);
            update(net, n);
        }
    }
    return sum / ((double)batches * net->batch);
}

void network_free(void *network) {
    Network *net = network;
    for (int n = 0; n < net->layers; n++) {
        Layer *l = &net->layer[n];
        free(l->W), free(l->b), free(l->H), free(l->dH), free(l->turned);
    }
    free(net->input);
    free(net);
}
