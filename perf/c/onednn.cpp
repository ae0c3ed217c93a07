/* The layer's products and a training step with oneDNN (libdnnl 2 or 3): matmul primitives, made once for their sizes.

In training bias and relu are in the first product of a layer, and SGD in the last: −rate is in the loss's gradient, and the primitive
adds dYᵀ X to W where W is. W stays as it is given, row after row, for all three products: a format of oneDNN's own would
serve the first and have to be turned for the second. */

#include "peer.h"
#include "softmax.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

#include <dnnl.hpp>

using dnnl::algorithm;
using dnnl::matmul;
using dnnl::memory;
using tag = memory::format_tag;
using arguments = std::unordered_map<int, memory>;

static dnnl::engine &engine() {
    static dnnl::engine one(dnnl::engine::kind::cpu, 0);
    return one;
}

static dnnl::stream &stream() {
    static dnnl::stream one(engine());
    return one;
}

const char *peer_version(void) {
    static std::string text;
    const dnnl_version_t *v = dnnl_version();
    text = std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch);
    return text.c_str();
}

static std::string error; /* what was said when something was not made */

const char *peer_error(void) { return error.c_str(); }

const char *peer_isa(void) {
    static std::string text;
    int isa = (int)dnnl::get_effective_cpu_isa();
    text = isa >= (int)dnnl::cpu_isa::avx512_core ? "avx512" : isa >= (int)dnnl::cpu_isa::avx2 ? "avx2" : "sse41";
    return text.c_str();
}

static memory::desc rows(int m, int n) { return {{m, n}, memory::data_type::f32, tag::ab}; }
static memory::desc columns(int m, int n) { return {{m, n}, memory::data_type::f32, tag::ba}; }
static memory view(const memory::desc &desc, const float *at) { return memory(desc, engine(), (void *)at); }

enum Ending { PLAIN, RELU, ADD };

static matmul make(memory::desc a, memory::desc b, memory::desc c, const memory::desc *bias, Ending ending) {
    dnnl::primitive_attr attributes;
    dnnl::post_ops then;
#if DNNL_VERSION_MAJOR >= 3
    if (ending == RELU) then.append_eltwise(algorithm::eltwise_relu, 0, 0);
#else
    if (ending == RELU) then.append_eltwise(1, algorithm::eltwise_relu, 0, 0);
#endif
    if (ending == ADD) then.append_sum(1);
    attributes.set_post_ops(then);
#if DNNL_VERSION_MAJOR >= 3
    auto made = bias ? matmul::primitive_desc(engine(), a, b, *bias, c, attributes)
                     : matmul::primitive_desc(engine(), a, b, c, attributes);
#else
    auto made = matmul::primitive_desc(bias ? matmul::desc(a, b, *bias, c) : matmul::desc(a, b, c), attributes, engine());
#endif
    if (std::string(made.impl_info_str()).rfind("ref", 0) == 0) /* a hundred times slower: nobody uses it */
        throw std::runtime_error(REFERENCE);
    return matmul(made);
}

/* ---- products --------------------------------------------------------------------------------------------------- */

struct Product {
    matmul run;
    arguments with;
    const float *b; /* for each row of out, which begins with it; or none */
    float *out;
    int rows, columns;
};

static Product product(memory a, memory b, memory c, const memory *bias, Ending ending) {
    memory::desc of = bias ? bias->get_desc() : memory::desc();
    Product made = {make(a.get_desc(), b.get_desc(), c.get_desc(), bias ? &of : nullptr, ending),
                    {{DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, c}},
                    nullptr, nullptr, 0, 0};
    if (bias) made.with.insert({DNNL_ARG_BIAS, *bias});
    return made;
}

/* For a bias of each row oneDNN has reference code alone: that of forward is in out, and the sums are added to it. */
static Product *made(int op, int T, int N, int B, const float *W, const float *X, const float *b, const float *dY, float *out) {
    if (op == FORWARD) {
        Product p = product(view(rows(T, N), W), view(rows(N, B), X), view(rows(T, B), out), nullptr, ADD);
        p.b = b, p.out = out, p.rows = T, p.columns = B;
        return new Product(p);
    }
    if (op == GRAD_W)
        return new Product(product(view(rows(T, B), dY), view(columns(B, N), X), view(rows(T, N), out), nullptr, PLAIN));
    return new Product(product(view(columns(N, T), W), view(rows(T, B), dY), view(rows(N, B), out), nullptr, PLAIN));
}

void *product_new(int op, int T, int N, int B, const float *W, const float *X, const float *b, const float *dY, float *out) {
    try {
        return made(op, T, N, B, W, X, b, dY, out);
    } catch (const std::exception &said) { /* none may reach the caller, who is no C++ */
        error = said.what();
        return nullptr;
    }
}

void product_run(void *made) {
    Product *p = (Product *)made;
#pragma omp parallel for if ((long)p->rows * p->columns > 65536)
    for (int t = 0; t < p->rows; t++) std::fill_n(p->out + (long)t * p->columns, p->columns, p->b[t]);
    p->run.execute(stream(), p->with);
    stream().wait();
}

void product_free(void *made) { delete (Product *)made; }

/* ---- training --------------------------------------------------------------------------------------------------- */

struct Layer {
    int T, N;
    std::vector<float> W, b, db, H, dH;
    std::vector<Product> forward, grad_x, grad_w; /* one or none of each */
};

struct Network {
    int batch;
    float rate;
    const float *X;
    const int64_t *y;
    std::vector<float> input;
    std::vector<Layer> layers;
};

static Network *trained(int layers, const int *sizes, int batch, float rate, const float *X, const int64_t *y) {
    std::unique_ptr<Network> net(
        new Network{batch, rate, X, y, std::vector<float>((long)batch * sizes[0]), std::vector<Layer>(layers)});
    for (int n = 0; n < layers; n++) {
        Layer &l = net->layers[n];
        int T = l.T = sizes[n + 1], N = l.N = sizes[n];
        l.W.resize((long)T * N), l.b.resize(T), l.db.resize(T), l.H.resize((long)batch * T), l.dH.resize((long)batch * T);
        const float *in = n ? net->layers[n - 1].H.data() : net->input.data();
        memory bias = view({{1, T}, memory::data_type::f32, tag::ab}, l.b.data());
        memory X = view(rows(batch, N), in), Y = view(rows(batch, T), l.H.data()), dY = view(rows(batch, T), l.dH.data());
        l.forward.push_back(product(X, view(columns(N, T), l.W.data()), Y, &bias, n < layers - 1 ? RELU : PLAIN));
        if (n)
            l.grad_x.push_back(product(
                dY, view(rows(T, N), l.W.data()), view(rows(batch, N), net->layers[n - 1].dH.data()), nullptr, PLAIN));
        l.grad_w.push_back(product(view(columns(T, batch), l.dH.data()), X, view(rows(T, N), l.W.data()), nullptr, ADD));
    }
    return net.release();
}

void *network_new(int layers, const int *sizes, int batch, float rate, const float *X, const int64_t *y) {
    try {
        return trained(layers, sizes, batch, rate, X, y);
    } catch (const std::exception &said) {
        error = said.what();
        return nullptr;
    }
}

void network_set(void *network, const float *parameters) {
    for (Layer &l : ((Network *)network)->layers) {
        memcpy(l.W.data(), parameters, l.W.size() * sizeof(float));
        memcpy(l.b.data(), parameters + l.W.size(), l.b.size() * sizeof(float));
        parameters += l.W.size() + l.b.size();
    }
}

void network_get(void *network, float *parameters) {
    for (Layer &l : ((Network *)network)->layers) {
        memcpy(parameters, l.W.data(), l.W.size() * sizeof(float));
        memcpy(parameters + l.W.size(), l.b.data(), l.b.size() * sizeof(float));
        parameters += l.W.size() + l.b.size();
    }
}

static double step(Network &net, const int64_t *order) {
    int N = net.layers[0].N, B = net.batch;
    for (int s = 0; s < B; s++)
        memcpy(net.input.data() + (long)s * N, net.X + order[s] * N, N * sizeof(float));
    for (Layer &l : net.layers) l.forward[0].run.execute(stream(), l.forward[0].with);
    Layer &last = net.layers.back();
    memcpy(last.dH.data(), last.H.data(), last.H.size() * sizeof(float));
    double loss = softmax_loss(last.dH.data(), net.y, order, B, last.T, last.T, -net.rate / B);
    for (int n = (int)net.layers.size() - 1; n >= 0; n--) {
        Layer &l = net.layers[n];
        if (n) {
            l.grad_x[0].run.execute(stream(), l.grad_x[0].with);
            float *dX = net.layers[n - 1].dH.data(), *H = net.layers[n - 1].H.data();
            long numbers = (long)B * l.N;
#pragma omp parallel for simd schedule(static) if (numbers > 65536)
            for (long j = 0; j < numbers; j++) dX[j] = H[j] > 0 ? dX[j] : 0;
        }
        l.grad_w[0].run.execute(stream(), l.grad_w[0].with);
        l.db.assign(l.T, 0); /* summed by themselves: on top of b each would be rounded as coarsely as b is */
        float *db = l.db.data();
        for (int s = 0; s < B; s++)
            for (int t = 0; t < l.T; t++) db[t] += l.dH[(long)s * l.T + t];
        for (int t = 0; t < l.T; t++) l.b[t] += db[t];
    }
    return loss;
}

double network_epoch(void *network, const int64_t *order, int batches) {
    Network &net = *(Network *)network;
    double sum = 0;
    for (int at = 0; at < batches; at++) sum += step(net, order + (long)at * net.batch);
    stream().wait();
    return sum / ((double)batches * net.batch);
}

void network_free(void *network) { delete (Network *)network; }
