/* Back-propagation through a tape: d Σ_s <u_s, d_s> / dΘ.
 *
 * Step t is differentiated in two parts, in reverse: A, the heads and the moments; B, the LSTM. Between them lie the norms
 * of s_t and m_{t-1}, whose derivative needs a dot product over all coordinates of a learner:
 *
 *     x̂ = κ x, κ = 1/√q, q = Σx² or its mean (+ ε), y = squash(x̂), z = ȳ squash'(x̂)
 *     x̄ = κ (z - x̂ <z, x̂> / n),  n = 1 or p
 *
 * so one sweep over the blocks does B of step t + 1 and then A of step t, and a period takes one sweep more than it has
 * steps. Gates, rates and moments are computed again from the states; the adjoint of the state is all that is carried.
 */
#include "cell.h"

#define FLUSH_BLOCKS 128 /* partial sums over more than this many blocks are added in double */

/* Partial sums of dΘ, a vector of lanes for each number. */
typedef struct {
    vec w_pre[J], b_pre[J], w_features[4 * J * J], w_hidden[4 * J * J], b_lstm[4 * J];
    vec w_s[2 * J * J], w_m[2 * J * J], b_adam[2 * J], w_mix[J * J], b_mix[J];
} Sums;

typedef struct {
    Gates gates;
    Heads heads;
    real *inputs, *upstream;       /* 2 J rows: adjoints of a layer's inputs; 1 row */
    real *g_bar, *g_slope;         /* 1 row each, of a step that is gone back by itself (backward_step.c) */
    real *w_lstm, *w_adam, *w_mix; /* transposed weights */
    Sums *sums;
} Tools;

enum {
    TOOLS_ROWS = 4 + 5 * J + 7 * J + 2 * J,
    TRANSPOSED = 8 * J * J + 4 * J * J + J * J,
    /* whole vectors, so that the sums behind are aligned */
    TRANSPOSED_PADDED = (TRANSPOSED + VECTOR_BYTES - 1) / VECTOR_BYTES * VECTOR_BYTES
};

static real *transpose(real *out, const real *w, int rows, int columns) {
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++) out[c * rows + r] = w[r * columns + c];
    return out + rows * columns;
}

static Tools tools(real *memory, const real *theta) {
    Tools w;
    w.upstream = take(&memory, 1);
    w.gates = (Gates){take(&memory, 1), take(&memory, J), take(&memory, 4 * J)};
    w.heads = (Heads){take(&memory, J),     take(&memory, J),     take(&memory, J),
                      take(&memory, J),     take(&memory, 2 * J), take(&memory, J)};
    w.inputs = take(&memory, 2 * J);
    w.g_bar = take(&memory, 1);
    w.g_slope = take(&memory, 1);
    real *free = memory;
    w.w_lstm = free, free = transpose(free, theta + W_LSTM, 4 * J, 2 * J);
    w.w_adam = free, free = transpose(free, theta + W_ADAM, 2 * J, 2 * J);
    w.w_mix = free, transpose(free, theta + W_MIX, J, J);
    w.sums = (Sums *)(memory + TRANSPOSED_PADDED);
    memset(w.sums, 0, sizeof(Sums));
    return w;
}

static void flush(Sums *sums, double *total) {
    flush_rows(sums->w_pre, J, total + W_PRE);
    flush_rows(sums->b_pre, J, total + B_PRE);
    flush_outer(sums->w_features, 4 * J, J, total + W_LSTM, 2 * J);
    flush_outer(sums->w_hidden, 4 * J, J, total + W_LSTM + J, 2 * J);
    flush_rows(sums->b_lstm, 4 * J, total + B_LSTM);
    flush_outer(sums->w_s, 2 * J, J, total + W_ADAM, 2 * J);
    flush_outer(sums->w_m, 2 * J, J, total + W_ADAM + J, 2 * J);
    flush_rows(sums->b_adam, 2 * J, total + B_ADAM);
    flush_outer(sums->w_mix, J, J, total + W_MIX, J);
    flush_rows(sums->b_mix, J, total + B_MIX);
}

/* target += κ z, z = ȳ slope; dots = <z, κ x>. */
static void normalize_backward(real *target, double *dots, const real *upstream, const real *slope, const real *x,
                               const real *scales, int rows) {
    for (int r = 0; r < rows; r++) {
        const vec scale = splat(scales[r]);
        vec dot = splat(0);
        for (int k = r * BLOCK; k < (r + 1) * BLOCK; k += LANES) {
            const vec z = load(upstream + k) * load(slope + k) * scale;
            store(target + k, load(target + k) + z);
            dot += z * load(x + k);
        }
        dots[r] = sum_lanes(dot);
    }
}

/* The derivative of the norms of one learner: what is taken off an adjoint for each unit of x κ; J of s_t, then J of m. */
typedef struct {
    real take_off[2 * J];
} Correction;

/* Moments and weight field, for one candidate: deltas of rates and mix in place, adjoint of the old moments in place;
 * with_g_bar: w.g_bar += the adjoint of the gradient through m and v. */
INLINE void candidate_backward(const Problem *problem, Tools w, const real *g, const real *state, real *adjoint, int r,
                               real m_scale, real m_take_off, int with_g_bar) {
    for (int i = 0; i < BLOCK; i += LANES) {
        const int k = r * BLOCK + i;
        real *rate_beta = w.heads.rates + k, *rate_gamma = rate_beta + ROWS_SIZE, *mix = w.heads.mix + k;
        real *m_bar = adjoint + M * ROWS_SIZE + k, *v_bar = m_bar + ROWS_SIZE, *b_bar = v_bar + ROWS_SIZE,
             *c_bar = b_bar + ROWS_SIZE;
        const real *old = state + M * ROWS_SIZE + k;
        const vec gradient = load(g + i), upstream = load(w.upstream + i), zero = splat(0);
        const Moments a = moments(problem, load(rate_beta), load(rate_gamma), gradient, old);

        const vec before = load(mix), rho = v_elu(before), positive = where(before > zero, splat(1), rho + 1);
        store(mix, upstream * a.ratio * positive);
        const vec by_ratio = upstream * rho, by_m_tilde = by_ratio * a.inverse_root;
        vec by_v_tilde;
        if (problem->inside_root) {
            by_v_tilde = splat((real)-0.5) * by_ratio * a.ratio * (a.inverse_root * a.inverse_root);
        } else {
            const vec slope = where(a.root > zero, splat((real)0.5) / where(a.root > zero, a.root, splat(1)), zero);
            by_v_tilde = -(by_ratio * a.ratio * a.inverse_root * slope);
        }
        const vec by_m_scaled = by_m_tilde * a.inverse_beta_hat, by_v_scaled = by_v_tilde * a.inverse_gamma_hat;
        const vec by_m = load(m_bar) - a.m * splat(m_scale) * splat(m_take_off) + by_m_scaled;
        const vec by_v = load(v_bar) + by_v_scaled;
        const vec by_b = load(b_bar) - by_m_scaled * a.m_tilde;
        const vec by_c = load(c_bar) - by_v_scaled * a.v_tilde;

        const vec by_beta = by_m * (load(old) - gradient) + by_b * (load(old + 2 * ROWS_SIZE) - 1);
        const vec by_gamma = by_v * (load(old + ROWS_SIZE) - gradient * gradient) + by_c * (load(old + 3 * ROWS_SIZE) - 1);
        store(rate_beta, by_beta * a.beta * a.beta_c);
        store(rate_gamma, by_gamma * a.gamma * a.gamma_c);
        store(m_bar, by_m * a.beta);
        store(v_bar, by_v * a.gamma);
        store(b_bar, by_b * a.beta);
        store(c_bar, by_c * a.gamma);
        if (with_g_bar)
            store(w.g_bar + i, load(w.g_bar + i) + (by_m * a.beta_c + by_v * a.gamma_c * (gradient + gradient)));
    }
}

/* Part A of one block: from the adjoint of (s_t, m_t, ...) to that of s_t (all but the norm's term) and m_{t-1}, .... */
INLINE void heads_backward(const Problem *problem, const real *theta, Tools w, const real *g, const real *hidden,
                           const real *state, real *adjoint, const real *scales, const real *next_scales,
                           const Correction *next, double *dots, int with_g_bar) {
    adam_heads(problem, theta, &w.heads, hidden, state + M * ROWS_SIZE, scales + 1);
    for (int r = 0; r < J; r++)
        candidate_backward(problem, w, g, state, adjoint, r, next ? next_scales[1 + J + r] : 0, next ? next->take_off[J + r] : 0,
                           with_g_bar);

    const real *s = problem->normalize_state ? w.heads.s : hidden;
    outer(w.sums->w_s, w.heads.rates, 2 * J, s, J);
    outer(w.sums->w_m, w.heads.rates, 2 * J, w.heads.m, J);
    outer(w.sums->w_mix, w.heads.mix, J, hidden, J);
    row_sums(w.sums->b_adam, w.heads.rates, 2 * J);
    row_sums(w.sums->b_mix, w.heads.mix, J);

    linear(w.inputs, 2 * J, w.w_adam, 0, w.heads.rates, 2 * J, w.heads.rates, 0);
    linear(w.heads.s, J, w.w_mix, 0, w.heads.mix, J, w.heads.mix, 0);
    real *h_bar = adjoint + HIDDEN * ROWS_SIZE;
    for (int k = 0; k < ROWS_SIZE; k += LANES) store(h_bar + k, load(h_bar + k) + load(w.heads.s + k));
    if (problem->normalize_state) {
        normalize_backward(h_bar, dots, w.inputs, w.heads.s_slope, hidden, scales + 1, J);
    } else {
        memset(dots, 0, J * sizeof(double));
        for (int k = 0; k < ROWS_SIZE; k += LANES) store(h_bar + k, load(h_bar + k) + load(w.inputs + k));
    }
    normalize_backward(adjoint + M * ROWS_SIZE, dots + J, w.inputs + ROWS_SIZE, w.heads.m_slope, state + M * ROWS_SIZE,
                       scales + 1 + J, J);
}

/* Part B of one block: from the adjoint of (s_t, c_t) to that of (s_{t-1}, c_{t-1}). `new_hidden` is s_t. */
static void lstm_backward(const Problem *problem, const real *theta, Tools w, const real *g, const real *state,
                          const real *new_hidden, real *adjoint, const real *scales, const Correction *correction) {
    const vec forget_bias = splat((real)problem->forget_bias), zero = splat(0);
    lstm_gates(problem, theta, w.gates, g, scales[0], state + HIDDEN * ROWS_SIZE);
    for (int r = 0; r < J; r++) {
        const vec scale = splat(scales[1 + r]), take_off = splat(problem->normalize_state ? correction->take_off[r] : 0);
        for (int k = r * BLOCK; k < (r + 1) * BLOCK; k += LANES) {
            real *gate = w.gates.gates + k;
            vec i_c, f_c, o_c;
            const vec i = v_sigmoid(load(gate), &i_c), j = v_tanh(load(gate + ROWS_SIZE));
            const vec f = v_sigmoid(load(gate + 2 * ROWS_SIZE) + forget_bias, &f_c), o = v_sigmoid(load(gate + 3 * ROWS_SIZE), &o_c);
            const vec old = load(state + CELL * ROWS_SIZE + k), t = v_tanh(f * old + i * j);
            real *h_bar = adjoint + HIDDEN * ROWS_SIZE + k, *c_bar = adjoint + CELL * ROWS_SIZE + k;
            const vec by_s = load(h_bar) - load(new_hidden + k) * scale * take_off;
            const vec by_c = load(c_bar) + by_s * o * (1 - t * t);
            store(gate, by_c * j * (i * i_c));
            store(gate + ROWS_SIZE, by_c * i * (1 - j * j));
            store(gate + 2 * ROWS_SIZE, by_c * old * (f * f_c));
            store(gate + 3 * ROWS_SIZE, by_s * t * (o * o_c));
            store(c_bar, by_c * f);
        }
    }
    outer(w.sums->w_features, w.gates.gates, 4 * J, w.gates.features, J);
    outer(w.sums->w_hidden, w.gates.gates, 4 * J, state + HIDDEN * ROWS_SIZE, J);
    row_sums(w.sums->b_lstm, w.gates.gates, 4 * J);
    linear(w.inputs, 2 * J, w.w_lstm, 0, w.gates.gates, 4 * J, w.gates.gates, 0);
    memcpy(adjoint + HIDDEN * ROWS_SIZE, w.inputs + ROWS_SIZE, ROWS_SIZE * sizeof(real));
    for (int k = 0; k < ROWS_SIZE; k += LANES) {
        const vec y = load(w.gates.features + k);
        store(w.inputs + k, load(w.inputs + k) * where(y > zero, splat(1), y + 1));
    }
    row_sums(w.sums->b_pre, w.inputs, J);
    for (int r = 0; r < J; r++) {
        vec acc = w.sums->w_pre[r];
        for (int i = 0; i < BLOCK; i += LANES) acc += load(w.inputs + r * BLOCK + i) * load(w.gates.x + i);
        w.sums->w_pre[r] = acc;
    }
}

/* What is taken off an adjoint for each unit of x κ, from <z, x̂>. */
INLINE real take_off(const Problem *problem, double dot, real scale) {
    return (real)(dot * scale / (problem->rms ? (double)problem->p : 1));
}

/* From the dot products of the blocks of one learner, dots[blocks][2 J], to what they take off in the next sweep. */
static void correct_learner(const Problem *problem, const double *dots, const real *scales, int64_t learner,
                            Correction *correction) {
    const int64_t each = blocks_per_learner(problem);
    double total[2 * J] = {0};
    for (int64_t q = learner * each; q < (learner + 1) * each; q++)
        for (int r = 0; r < 2 * J; r++) total[r] += dots[q * 2 * J + r];
    for (int r = 0; r < 2 * J; r++)
        correction->take_off[r] = take_off(problem, total[r], scales[learner * SCALES + 1 + r]);
}

static void correct(const Problem *problem, const double *dots, const real *scales, Correction *corrections) {
    for (int64_t learner = 0; learner < problem->n_learners; learner++)
        correct_learner(problem, dots, scales, learner, corrections + learner);
}

/* total (N_THETA, zeros on entry) += the gradient. slots: steps + 1 states; g_blocks, scales: one for each step.
 *
 * upstream: (steps, learners, p). adjoint: like a slot, zeros on entry. */
void tape_backward(const Problem *problem, const real *theta, int64_t steps, real *const *slots, real *const *g_blocks,
                   real *const *scales, const real *upstream, real *adjoint, double *dots, real *corrections,
                   double *total, real *memory) {
    const unsigned mode = flush_denormals();
    Tools w = tools(memory, theta);
    Correction *by_learner = (Correction *)corrections;
    const int64_t n_blocks = problem->n_learners * blocks_per_learner(problem), n = problem->n_learners * problem->p;
    int64_t pending = 0;
    for (int64_t t = steps; t >= 0; t--) {
        for (int64_t q = 0; q < n_blocks; q++) {
            const Block at = locate(problem, q);
            const int64_t from = q * SLOT_SIZE, row = at.learner * SCALES;
            const real *next_scales = t < steps ? scales[t] + row : 0;
            const Correction *next = t < steps ? by_learner + at.learner : 0;
            if (t < steps)
                lstm_backward(problem, theta, w, g_blocks[t] + q * BLOCK, slots[t] + from, slots[t + 1] + from,
                              adjoint + from, next_scales, next);
            if (t > 0) {
                gather(w.upstream, upstream + (t - 1) * n, 1, 0, at);
                heads_backward(problem, theta, w, g_blocks[t - 1] + q * BLOCK, slots[t] + from, slots[t - 1] + from,
                               adjoint + from, scales[t - 1] + row, next_scales, next, dots + q * 2 * J, 0);
            }
            if (++pending == FLUSH_BLOCKS) flush(w.sums, total), pending = 0;
        }
        if (t > 0) correct(problem, dots, scales[t - 1], by_learner);
    }
    flush(w.sums, total);
    restore_mode(mode);
}

int64_t backward_workspace(void) {
    return TOOLS_ROWS * BLOCK + TRANSPOSED_PADDED + (int64_t)(sizeof(Sums) / sizeof(real));
}
