/* HyperAdam's cell forward on one block: the equations of `hyperadam.rules.hyperadam`, a few hundred bytes of each row.
 *
 * J and BLOCK are compile-time constants; a block is [rows][BLOCK] numbers, rows past the learner's end are zeros. Norms
 * run over all coordinates of a learner, so a step is two passes over the blocks: `state_cell` gives s_t and its squares,
 * `adam_cell` needs the norms of s_t and m_{t-1}.
 */
#pragma once
#include "linear.h"

#define HIDDEN 0
#define CELL 1
#define M 2
#define V 3
#define BETA_HAT 4
#define GAMMA_HAT 5
#define FIELDS 6
#define ROWS_SIZE (J * BLOCK)          /* one field of one block */
#define SLOT_SIZE (FIELDS * ROWS_SIZE) /* the state of one block */

/* Where the parts of Θ are in its flat vector. */
enum {
    W_PRE = 0,
    B_PRE = W_PRE + J,
    W_LSTM = B_PRE + J,
    B_LSTM = W_LSTM + 8 * J * J,
    W_ADAM = B_LSTM + 4 * J,
    B_ADAM = W_ADAM + 4 * J * J,
    W_MIX = B_ADAM + 2 * J,
    B_MIX = W_MIX + J * J,
    N_THETA = B_MIX + J
};

typedef struct {
    int64_t n_learners, p;
    double norm_epsilon, forget_bias, epsilon;
    int32_t rms, squash, normalize_state, inside_root;
    int32_t bf16_state; /* of the optimizer's steps; tapes keep `real` */
} Problem;

/* Where block q lies: its learner, its first coordinate in the flat (learners, p) order, and how many it holds. */
typedef struct {
    int64_t learner, start;
    int n;
} Block;

INLINE int64_t blocks_per_learner(const Problem *problem) { return (problem->p + BLOCK - 1) / BLOCK; }

INLINE Block locate(const Problem *problem, int64_t q) {
    const int64_t each = blocks_per_learner(problem), learner = q / each, within = (q % each) * BLOCK;
    const int64_t left = problem->p - within;
    return (Block){learner, learner * problem->p + within, (int)(left < BLOCK ? left : BLOCK)};
}

INLINE void gather(real *block, const real *field, int rows, int64_t stride, Block at) {
    for (int r = 0; r < rows; r++) {
        memcpy(block + r * BLOCK, field + r * stride + at.start, at.n * sizeof(real));
        if (at.n < BLOCK) memset(block + r * BLOCK + at.n, 0, (BLOCK - at.n) * sizeof(real));
    }
}

INLINE void scatter(real *field, const real *block, int rows, int64_t stride, Block at) {
    for (int r = 0; r < rows; r++) memcpy(field + r * stride + at.start, block + r * BLOCK, at.n * sizeof(real));
}

/* bfloat16 is the upper half of a float. */
INLINE real widen(uint16_t x) {
    const uint32_t bits = (uint32_t)x << 16;
    float y;
    memcpy(&y, &bits, sizeof y);
    return (real)y;
}

/* To the nearest bfloat16, halfway to the even one. */
INLINE uint16_t narrow(real x) {
    const float y = (float)x;
    uint32_t bits;
    memcpy(&bits, &y, sizeof bits);
    const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    return (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : rounded);
}

/* J rows of a state's field, to and from a block of `real`. */
static void gather_field(const Problem *problem, real *block, const void *field, int64_t stride, Block at) {
    if (!problem->bf16_state) {
        gather(block, field, J, stride, at);
        return;
    }
    for (int r = 0; r < J; r++) {
        const uint16_t *from = (const uint16_t *)field + r * stride + at.start;
        for (int i = 0; i < at.n; i++) block[r * BLOCK + i] = widen(from[i]);
        for (int i = at.n; i < BLOCK; i++) block[r * BLOCK + i] = 0;
    }
}

/* What is stored stays in the block: rounded, where the field is. */
static void scatter_field(const Problem *problem, void *field, real *block, int64_t stride, Block at) {
    if (!problem->bf16_state) {
        scatter(field, block, J, stride, at);
        return;
    }
    for (int r = 0; r < J; r++) {
        uint16_t *to = (uint16_t *)field + r * stride + at.start;
        for (int i = 0; i < at.n; i++) {
            to[i] = narrow(block[r * BLOCK + i]);
            block[r * BLOCK + i] = widen(to[i]);
        }
    }
}

static void squares(double *sums, const real *x, int rows) {
    for (int r = 0; r < rows; r++) {
        vec acc = splat(0);
        for (int i = 0; i < BLOCK; i += LANES) {
            const vec y = load(x + r * BLOCK + i);
            acc += y * y;
        }
        sums[r] = sum_lanes(acc);
    }
}

/* out = x over its norm, squashed; slope = the squashing function's derivative there, unless NULL. */
static void normalize(const Problem *problem, real *out, real *slope, const real *x, const real *scales, int rows) {
    const int squash = problem->squash;
    for (int r = 0; r < rows; r++) {
        const vec scale = splat(scales[r]);
        for (int i = r * BLOCK; i < (r + 1) * BLOCK; i += LANES) {
            const vec y = load(x + i) * scale;
            store(out + i, squash ? v_asinh(y) : y);
            if (slope) store(slope + i, squash ? v_rsqrt(1 + y * y) : splat(1));
        }
    }
}

/* ELU(W_p x + b_p) of one row x. */
static void preprocess(const real *theta, real *out, const real *x) {
    for (int r = 0; r < J; r++) {
        const vec weight = splat(theta[W_PRE + r]), bias = splat(theta[B_PRE + r]);
        for (int i = 0; i < BLOCK; i += LANES) store(out + r * BLOCK + i, v_elu(weight * load(x + i) + bias));
    }
}

/* The inputs and gates of the LSTM, before their activation functions. */
typedef struct {
    real *x;        /* normalised gradient, 1 row */
    real *features; /* J rows */
    real *gates;    /* 4 J rows: i, j, f, o */
} Gates;

static void lstm_gates(const Problem *problem, const real *theta, Gates at, const real *g, real g_scale, const real *hidden) {
    normalize(problem, at.x, 0, g, &g_scale, 1);
    preprocess(theta, at.features, at.x);
    linear(at.gates, 4 * J, theta + W_LSTM, theta + B_LSTM, at.features, J, hidden, J);
}

/* First pass: s_t and the LSTM's cell. In place (hidden_out = hidden) is allowed. */
static void state_cell(const Problem *problem, const real *theta, Gates at, const real *g, real g_scale, int n,
                       const real *hidden, const real *cell, real *hidden_out, real *cell_out) {
    lstm_gates(problem, theta, at, g, g_scale, hidden);
    const vec forget_bias = splat((real)problem->forget_bias);
    for (int k = 0; k < ROWS_SIZE; k += LANES) {
        const real *gate = at.gates + k;
        vec unused, forget = v_sigmoid(load(gate + 2 * ROWS_SIZE) + forget_bias, &unused);
        vec new = forget * load(cell + k) + v_sigmoid(load(gate), &unused) * v_tanh(load(gate + ROWS_SIZE));
        store(cell_out + k, new);
        store(hidden_out + k, v_sigmoid(load(gate + 3 * ROWS_SIZE), &unused) * v_tanh(new));
    }
    if (n < BLOCK)
        for (int r = 0; r < J; r++) memset(hidden_out + r * BLOCK + n, 0, (BLOCK - n) * sizeof(real));
}

/* The inputs of the AdamCell and WeightCell and their outputs before activation. */
typedef struct {
    real *s, *m;             /* normalised, J rows each */
    real *s_slope, *m_slope; /* J rows each, or NULL */
    real *rates;             /* 2 J rows */
    real *mix;               /* J rows */
} Heads;

static void adam_heads(const Problem *problem, const real *theta, Heads *at, const real *hidden, const real *m,
                       const real *scales) {
    const real *s = hidden;
    if (problem->normalize_state) normalize(problem, at->s, at->s_slope, hidden, scales, J), s = at->s;
    normalize(problem, at->m, at->m_slope, m, scales + J, J);
    linear(at->rates, 2 * J, theta + W_ADAM, theta + B_ADAM, s, J, at->m, J);
    linear(at->mix, J, theta + W_MIX, theta + B_MIX, hidden, J, hidden, 0);
}

/* One candidate in one vector of coordinates: decay rates (and 1 minus them), moments, and their quotient m̂. */
typedef struct {
    vec beta, beta_c, gamma, gamma_c, m, v, beta_hat, gamma_hat;
    vec m_tilde, v_tilde, inverse_beta_hat, inverse_gamma_hat, root, inverse_root, ratio;
} Moments;

/* Lines 11 to 16 of Algorithm 2. As 1 - β is exact too, nothing cancels for β near 0 or 1. `state` = field M. */
INLINE Moments moments(const Problem *problem, vec rate_beta, vec rate_gamma, vec g, const real *state) {
    const vec epsilon = splat((real)problem->epsilon);
    const vec m = load(state), v = load(state + ROWS_SIZE);
    const vec beta_hat = load(state + 2 * ROWS_SIZE), gamma_hat = load(state + 3 * ROWS_SIZE);
    Moments a;
    a.beta = v_sigmoid(rate_beta, &a.beta_c);
    a.gamma = v_sigmoid(rate_gamma, &a.gamma_c);
    a.m = a.beta * m + a.beta_c * g;
    a.v = a.gamma * v + a.gamma_c * (g * g);
    a.beta_hat = a.beta * beta_hat + a.beta_c;
    a.gamma_hat = a.gamma * gamma_hat + a.gamma_c;
    a.inverse_beta_hat = v_reciprocal(a.beta_hat + epsilon);
    a.inverse_gamma_hat = v_reciprocal(a.gamma_hat + epsilon);
    a.m_tilde = a.m * a.inverse_beta_hat;
    a.v_tilde = a.v * a.inverse_gamma_hat;
    if (problem->inside_root) {
        a.inverse_root = v_rsqrt(a.v_tilde + epsilon);
    } else {
        a.root = v_sqrt(a.v_tilde);
        a.inverse_root = v_reciprocal(a.root + epsilon);
    }
    a.ratio = a.m_tilde * a.inverse_root;
    return a;
}

/* Second pass: moments and the direction (1 row). `state`, `out` are blocks of all fields; out = state is allowed. */
static void adam_cell(const Problem *problem, const real *theta, Heads at, const real *g, const real *scales,
                      const real *hidden, const real *state, real *out, real *direction) {
    adam_heads(problem, theta, &at, hidden, state + M * ROWS_SIZE, scales);
    memset(direction, 0, BLOCK * sizeof(real));
    for (int r = 0; r < J; r++) {
        for (int i = 0; i < BLOCK; i += LANES) {
            const int k = r * BLOCK + i;
            const Moments a = moments(problem, load(at.rates + k), load(at.rates + ROWS_SIZE + k), load(g + i),
                                      state + M * ROWS_SIZE + k);
            store(out + M * ROWS_SIZE + k, a.m);
            store(out + V * ROWS_SIZE + k, a.v);
            store(out + BETA_HAT * ROWS_SIZE + k, a.beta_hat);
            store(out + GAMMA_HAT * ROWS_SIZE + k, a.gamma_hat);
            store(direction + i, load(direction + i) + v_elu(load(at.mix + k)) * a.ratio);
        }
    }
}
