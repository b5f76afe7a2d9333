/* Back-propagation of a step through the coordinates of one tensor, in one pass: from the adjoints of (d, m, v) and what
 * the means' adjoints give every coordinate, to those of (g, the moments before) and of what the cells said.
 *
 * With s = Σ_j (ρ_j / β̂_j) m_j, r = (v / γ̂ + ε)^-½ and q = ∂F/∂(s r), which is ℓ d̄ where d is s r within its bound
 * and the coordinate does not stand still, and else 0:
 *
 *     ℓ̄ = Σ d̄ d / ℓ              v̂̄ = -½ q s r³               v̄ += v̂̄ / γ̂ + V̄ / (N γ̂)
 *     m̄_j += q r ρ_j / β̂_j + 2 M̄_j m_j / (N β̂_j²)             ḡ = Σ_j (1 - β_j) m̄_j + 2 g ((1 - γ) v̄ + Q̄ / N)
 *
 * where M̄_j, V̄, Q̄ are the adjoints of ⟨m̂_j²⟩, ⟨v̂⟩, ⟨g²⟩ and N is how many coordinates there are.
 */
#pragma once
#include "tensor_step.h"

typedef struct {
    Coefficients step;
    vec m_slope[J], v_slope, g_slope; /* 2 M̄_j / (N β̂_j²), V̄ / (N γ̂), Q̄ / N */
} BackCoefficients;

typedef struct {
    const real *g, *m[J], *v, *upstream;
    real *m_bar[J], *v_bar, *g_bar; /* m_bar and v_bar: of the state after on entry, before on return */
} BackRows;

/* Σ of: m̄_j (m_j before - g), q r m_j, v̄ (v before - g²), v̂̄ v, d̄ d / ℓ. */
enum { BETA_SUM = 0, WEIGHT_SUM = J, GAMMA_SUM = 2 * J, GAMMA_HAT_SUM, LENGTH_SUM, BACK_SUMS };

INLINE void backward_vector(const BackCoefficients *c, const BackRows *rows, int64_t i, vec sums[BACK_SUMS]) {
    const Coefficients *step = &c->step;
    const vec zero = splat(0), g = read_vec(rows->g + i), square = g * g, upstream = read_vec(rows->upstream + i);
    const vec old_v = read_vec(rows->v + i), v = step->gamma * old_v + step->gamma_complement * square;
    const vec root = v_rsqrt(v * step->inverse_gamma_hat + step->epsilon);
    vec m[J], old_m[J], mixture = zero;
    UNROLL for (int j = 0; j < J; j++) {
        old_m[j] = read_vec(rows->m[j] + i);
        m[j] = step->beta[j] * old_m[j] + step->complement[j] * g;
        mixture += step->weight[j] * m[j];
    }
    mixture *= root;
    const ivec still = find_still(step, g, v);
    const vec bounded = where(still, zero, v_max(-step->bound, v_min(step->bound, mixture)));
    const ivec passes = ~still & (mixture <= step->bound) & (mixture >= -step->bound);
    const vec mixture_bar = where(passes, upstream * step->length, zero);
    const vec sum_bar = mixture_bar * root;
    const vec v_hat_bar = splat((real)-0.5) * sum_bar * bounded * root;
    const vec v_bar = read_vec(rows->v_bar + i) + v_hat_bar * step->inverse_gamma_hat + c->v_slope;
    vec g_bar = (g + g) * (step->gamma_complement * v_bar + c->g_slope);
    UNROLL for (int j = 0; j < J; j++) {
        const vec m_bar = read_vec(rows->m_bar[j] + i) + sum_bar * step->weight[j] + c->m_slope[j] * m[j];
        sums[BETA_SUM + j] += m_bar * (old_m[j] - g);
        sums[WEIGHT_SUM + j] += sum_bar * m[j];
        g_bar += step->complement[j] * m_bar;
        write_vec(rows->m_bar[j] + i, step->beta[j] * m_bar);
    }
    sums[GAMMA_SUM] += v_bar * (old_v - square);
    sums[GAMMA_HAT_SUM] += v_hat_bar * v;
    sums[LENGTH_SUM] += upstream * bounded;
    write_vec(rows->v_bar + i, step->gamma * v_bar);
    write_vec(rows->g_bar + i, g_bar);
}

/* The last few coordinates, beside zeros: they add nothing to sums. */
static void backward_rest(const BackCoefficients *c, const BackRows *rows, int64_t i, int n, vec sums[BACK_SUMS]) {
    real memory[2 * J + 5][LANES];
    const size_t size = n * sizeof(real);
    memset(memory, 0, sizeof memory);
    BackRows rest = {.g = memory[0], .v = memory[1], .upstream = memory[2], .v_bar = memory[3], .g_bar = memory[4]};
    memcpy(memory[0], rows->g + i, size);
    memcpy(memory[1], rows->v + i, size);
    memcpy(memory[2], rows->upstream + i, size);
    memcpy(memory[3], rows->v_bar + i, size);
    for (int j = 0; j < J; j++) {
        rest.m[j] = memory[5 + j];
        rest.m_bar[j] = memory[5 + J + j];
        memcpy(memory[5 + j], rows->m[j] + i, size);
        memcpy(memory[5 + J + j], rows->m_bar[j] + i, size);
    }
    backward_vector(c, &rest, 0, sums);
    memcpy(rows->v_bar + i, rest.v_bar, size);
    memcpy(rows->g_bar + i, rest.g_bar, size);
    for (int j = 0; j < J; j++) memcpy(rows->m_bar[j] + i, rest.m_bar[j], size);
}

static void backward_coordinates(const BackCoefficients *c, const BackRows *rows, int64_t length, double totals[BACK_SUMS]) {
    for (int64_t begin = 0; begin < length; begin += CHUNK) {
        const int64_t end = begin + CHUNK < length ? begin + CHUNK : length;
        vec sums[BACK_SUMS] = {{0}};
        int64_t i = begin;
        for (; i + LANES <= end; i += LANES) backward_vector(c, rows, i, sums);
        if (i < end) backward_rest(c, rows, i, (int)(end - i), sums);
        for (int r = 0; r < BACK_SUMS; r++) totals[r] += sum_lanes(sums[r]);
    }
}
