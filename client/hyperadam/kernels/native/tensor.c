/* A step of the rule whose cells are a tensor's: one pass over the coordinates.
 *
 * The cells have said what they say of each tensor before; here moments are moved, directions made, and the sums
 * gathered that the cells of the next step are told of. Each of the outputs may be the memory of its input.
 */
#include "vector.h"

enum { CHUNK = 1024 }; /* coordinates that are summed in `real`; chunks are added in double */
enum { SUMS = J + 2 }; /* of m_j², of v, of g² */

typedef struct {
    int64_t n_learners, p, n_tensors;
    double gamma, epsilon, bound;
} TensorProblem;

/* What is the same for all coordinates of a tensor. */
typedef struct {
    vec beta[J], weight[J], gamma, inverse_gamma_hat, epsilon, bound, length;
} Coefficients;

typedef struct {
    const real *g, *m[J], *v;
    real *m_out[J], *v_out, *direction;
} Rows;

typedef real loose __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(real)), may_alias));
INLINE vec read_vec(const real *p) { return *(const loose *)p; }
INLINE void write_vec(real *p, vec x) { *(loose *)p = x; }

/* One vector of coordinates, `i` numbers into the rows. */
INLINE void step_vector(const Coefficients *c, const Rows *rows, int64_t i, vec sums[SUMS]) {
    const vec zero = splat(0), g = read_vec(rows->g + i), square = g * g;
    vec mixture = zero;
    UNROLL for (int j = 0; j < J; j++) {
        const vec m = g + c->beta[j] * (read_vec(rows->m[j] + i) - g);
        write_vec(rows->m_out[j] + i, m);
        mixture += c->weight[j] * m;
        sums[j] += m * m;
    }
    const vec v = square + c->gamma * (read_vec(rows->v + i) - square);
    write_vec(rows->v_out + i, v);
    sums[J] += v;
    sums[J + 1] += square;
    mixture *= v_rsqrt(v * c->inverse_gamma_hat + c->epsilon);
    mixture = where(g == zero, zero, v_max(-c->bound, v_min(c->bound, mixture)));
    write_vec(rows->direction + i, c->length * mixture);
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

static void step_tensor(const Coefficients *c, const Rows *rows, int64_t length, double totals[SUMS]) {
    for (int64_t begin = 0; begin < length; begin += CHUNK) {
        const int64_t end = begin + CHUNK < length ? begin + CHUNK : length;
        vec sums[SUMS] = {{0}};
        int64_t i = begin;
        for (; i + LANES <= end; i += LANES) step_vector(c, rows, i, sums);
        if (i < end) step_rest(c, rows, i, (int)(end - i), sums);
        for (int r = 0; r < SUMS; r++) totals[r] += sum_lanes(sums[r]);
    }
}

/* beta and weight (J, learners, tensors), gamma_hat and step_length (learners, tensors); g, v and direction (learners, p),
 * m (J, learners, p); sums (J + 2, learners, tensors) are written. */
void tensor_step(const TensorProblem *problem, const int64_t *lengths, const real *beta, const real *weight,
                 const real *gamma_hat, const real *step_length, const real *g, const real *m, const real *v,
                 real *m_out, real *v_out, real *direction, double *sums) {
    const unsigned mode = flush_denormals();
    const int64_t n_cells = problem->n_learners * problem->n_tensors, stride = problem->n_learners * problem->p;
    for (int64_t learner = 0; learner < problem->n_learners; learner++) {
        int64_t at = learner * problem->p;
        for (int64_t tensor = 0; tensor < problem->n_tensors; tensor++) {
            const int64_t cell = learner * problem->n_tensors + tensor;
            Coefficients c = {
                .gamma = splat((real)problem->gamma),
                .inverse_gamma_hat = splat(1 / gamma_hat[cell]),
                .epsilon = splat((real)problem->epsilon),
                .bound = splat((real)problem->bound),
                .length = splat(step_length[cell]),
            };
            Rows rows = {.g = g + at, .v = v + at, .v_out = v_out + at, .direction = direction + at};
            for (int j = 0; j < J; j++) {
                c.beta[j] = splat(beta[j * n_cells + cell]);
                c.weight[j] = splat(weight[j * n_cells + cell]);
                rows.m[j] = m + j * stride + at;
                rows.m_out[j] = m_out + j * stride + at;
            }
            double totals[SUMS] = {0};
            step_tensor(&c, &rows, lengths[tensor], totals);
            for (int r = 0; r < SUMS; r++) sums[r * n_cells + cell] = totals[r];
            at += lengths[tensor];
        }
    }
    restore_mode(mode);
}
