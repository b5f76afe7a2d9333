/* A step's pass over the coordinates of one tensor: moments are moved, directions made, and the sums gathered that the
 * cells of the next step are told of. Each of the outputs may be the memory of its input.
 */
#pragma once
#include "tensor_cells.h"

enum { CHUNK = 1024 }; /* coordinates that are summed in `real`; chunks are added in double */

/* What is the same for all coordinates of a tensor; complements, 1 - β and 1 - γ, are exact where those are near 1. */
typedef struct {
    vec beta[J], complement[J], weight[J], gamma, gamma_complement, inverse_gamma_hat, epsilon, bound, length;
    vec still_v; /* how large v may be where a coordinate without a gradient stands still */
} Coefficients;

typedef struct {
    const real *g, *m[J], *v;
    real *m_out[J], *v_out, *direction;
} Rows;

typedef real loose __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(real)), may_alias));
INLINE vec read_vec(const real *p) { return *(const loose *)p; }
INLINE void write_vec(real *p, vec x) { *(loose *)p = x; }

/* Where d is 0 for want of a gradient; v is that after the step. */
INLINE ivec find_still(const Coefficients *c, vec g, vec v) { return (g == splat(0)) & ~(v > c->still_v); }

/* Moves m and v of one vector of coordinates, and gives d / ℓ. */
INLINE vec advance(const Coefficients *c, vec g, vec m[J], vec *v, vec sums[SUMS]) {
    const vec zero = splat(0), square = g * g;
    vec mixture = zero;
    UNROLL for (int j = 0; j < J; j++) {
        m[j] = c->beta[j] * m[j] + c->complement[j] * g;
        mixture += c->weight[j] * m[j];
        sums[j] += m[j] * m[j];
    }
    *v = c->gamma * *v + c->gamma_complement * square;
    sums[V_MEAN] += *v;
    sums[G_MEAN] += square;
    sums[ZERO_SHARE] += where(g != zero, splat(1), zero); /* the others of the tensor are zeros */
    mixture *= v_rsqrt(*v * c->inverse_gamma_hat + c->epsilon);
    return where(find_still(c, g, *v), zero, v_max(-c->bound, v_min(c->bound, mixture)));
}

/* One vector of coordinates, `i` numbers into the rows. */
INLINE void step_vector(const Coefficients *c, const Rows *rows, int64_t i, vec sums[SUMS]) {
    vec m[J], v = read_vec(rows->v + i);
    UNROLL for (int j = 0; j < J; j++) m[j] = read_vec(rows->m[j] + i);
    const vec bounded = advance(c, read_vec(rows->g + i), m, &v, sums);
    UNROLL for (int j = 0; j < J; j++) write_vec(rows->m_out[j] + i, m[j]);
    write_vec(rows->v_out + i, v);
    write_vec(rows->direction + i, c->length * bounded);
}

/* The last few coordinates, beside zeros: they add nothing to sums. */
static void step_rest(const Coefficients *c, const Rows *rows, int64_t i, int n, vec sums[SUMS]) {
    real memory[2 * J + 4][LANES];
    memset(memory, 0, sizeof memory);
    Rows rest = {.g = memory[0], .v = memory[1], .v_out = memory[2], .direction = memory[3]};
    memcpy(memory[0], rows->g + i, n * sizeof(real));
    memcpy(memory[1], rows->v + i, n * sizeof(real));
    for (int j = 0; j < J; j++) {
        rest.m[j] = memory[4 + j];
        rest.m_out[j] = memory[4 + J + j];
        memcpy(memory[4 + j], rows->m[j] + i, n * sizeof(real));
    }
    step_vector(c, &rest, 0, sums);
    memcpy(rows->v_out + i, rest.v_out, n * sizeof(real));
    memcpy(rows->direction + i, rest.direction, n * sizeof(real));
    for (int j = 0; j < J; j++) memcpy(rows->m_out[j] + i, rest.m_out[j], n * sizeof(real));
}

static void step_coordinates(const Coefficients *c, const Rows *rows, int64_t length, double totals[SUMS]) {
    for (int64_t begin = 0; begin < length; begin += CHUNK) {
        const int64_t end = begin + CHUNK < length ? begin + CHUNK : length;
        vec sums[SUMS] = {{0}};
        int64_t i = begin;
        for (; i + LANES <= end; i += LANES) step_vector(c, rows, i, sums);
        if (i < end) step_rest(c, rows, i, (int)(end - i), sums);
        for (int r = 0; r < SUMS; r++) totals[r] += sum_lanes(sums[r]);
    }
}

/* A part of ⟨v⟩ in a tensor whose last gradient was sparse, else any. */
static real find_still_v(const TensorProblem *problem, TensorState old, int64_t cell) {
    const int64_t n_cells = count_cells(problem);
    if (problem->n_means == MEANS) return (real)INFINITY;
    const real zero_share = old.means[ZERO_SHARE * n_cells + cell];
    const int is_sparse = zero_share > (real)problem->sparse_above && zero_share < 1;
    return is_sparse ? (real)FORGOTTEN * old.means[V_MEAN * n_cells + cell] * old.gamma_hat[cell] : (real)INFINITY;
}

/* β̂ and γ̂ after the step, and the coefficients of its pass. */
static void prepare_step(const TensorProblem *problem, const Cells *cells, TensorState old, int64_t cell, double *beta_hat,
                         double *gamma_hat, Coefficients *c) {
    const int64_t n_cells = count_cells(problem);
    *gamma_hat = 1 + cells->gamma * ((double)old.gamma_hat[cell] - 1);
    for (int j = 0; j < J; j++) {
        beta_hat[j] = 1 + cells->beta[j] * ((double)old.beta_hat[j * n_cells + cell] - 1);
        c->beta[j] = splat((real)cells->beta[j]);
        c->complement[j] = splat((real)cells->complement[j]);
        c->weight[j] = splat((real)(cells->rho[j] / beta_hat[j]));
    }
    c->gamma = splat((real)cells->gamma);
    c->gamma_complement = splat((real)cells->gamma_complement);
    c->inverse_gamma_hat = splat((real)(1 / *gamma_hat));
    c->epsilon = splat((real)problem->epsilon);
    c->bound = splat((real)problem->bound);
    c->length = splat((real)cells->length);
    c->still_v = splat(find_still_v(problem, old, cell));
}

INLINE double at_least_one(int64_t length) { return length > 1 ? (double)length : 1; }

/* The numbers of one cell after its pass, but for n_steps. */
static void finish_step(const TensorProblem *problem, TensorState new, int64_t cell, const double *beta_hat, double gamma_hat,
                        const double *totals, int64_t length) {
    const int64_t n_cells = count_cells(problem);
    const double n = at_least_one(length);
    for (int j = 0; j < J; j++) {
        new.beta_hat[j * n_cells + cell] = (real)beta_hat[j];
        new.means[j * n_cells + cell] = (real)(totals[j] / n / (beta_hat[j] * beta_hat[j]));
    }
    new.gamma_hat[cell] = (real)gamma_hat;
    new.means[V_MEAN * n_cells + cell] = (real)(totals[V_MEAN] / n / gamma_hat);
    new.means[G_MEAN * n_cells + cell] = (real)(totals[G_MEAN] / n);
    if (problem->n_means > MEANS) new.means[ZERO_SHARE * n_cells + cell] = (real)(((double)length - totals[ZERO_SHARE]) / n);
}
