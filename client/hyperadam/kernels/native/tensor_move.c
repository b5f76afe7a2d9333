/* A step of an optimizer, straight on parameters and state, which may be bfloat16: no directions in between.
 *
 *     w ← (1 - α_t λ) w - α_t share d
 *
 * Tensors are cut into segments, so that threads can share them; sums are added in the order of the segments, whatever
 * the number of threads.
 */
#include "tensor_step.h"

enum { SEGMENT = 4 * CHUNK };

typedef struct {
    const int64_t *segment_tensors, *segment_begins; /* (segments): which tensor, and from which of its coordinates on */
    const int64_t *tensor_begins;                    /* (tensors): where each begins in m and v */
    const real *const *gradients;                    /* (tensors) */
    real *const *parameters;
    const double *rates, *retentions; /* (tensors): α_t share, 1 - α_t λ */
    int64_t n_segments, bf16_state;
} Move;

/* What is the same for all coordinates of a tensor. */
typedef struct {
    Coefficients step;
    vec scale, retention; /* α_t share ℓ, 1 - α_t λ */
    double beta_hat[J], gamma_hat;
} MoveCoefficients;

typedef struct {
    const real *g;
    real *w;
    void *m[J], *v;
} MoveRows;

typedef uint16_t half_vec __attribute__((vector_size(2 * (VECTOR_BYTES / sizeof(real))), aligned(2), may_alias));
typedef uint32_t bits_vec __attribute__((vector_size(4 * (VECTOR_BYTES / sizeof(real)))));
typedef float float_vec __attribute__((vector_size(4 * (VECTOR_BYTES / sizeof(real)))));

/* bfloat16 is the upper half of a float. */
INLINE vec read_half(const uint16_t *p) {
    const bits_vec bits = __builtin_convertvector(*(const half_vec *)p, bits_vec) << 16;
    return __builtin_convertvector((float_vec)bits, vec);
}

/* To the nearest bfloat16, halfway to the even one. */
INLINE void write_half(uint16_t *p, vec x) {
    const bits_vec bits = (bits_vec)__builtin_convertvector(x, float_vec);
    const bits_vec rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    const bits_vec is_nan = (bits_vec)((bits & 0x7fffffff) > 0x7f800000);
    *(half_vec *)p = __builtin_convertvector((is_nan & 0x7fc0) | (~is_nan & rounded), half_vec);
}

INLINE vec read_stored(const void *field, int64_t i, const int is_half) {
    return is_half ? read_half((const uint16_t *)field + i) : read_vec((const real *)field + i);
}

INLINE void write_stored(void *field, int64_t i, vec x, const int is_half) {
    if (is_half) write_half((uint16_t *)field + i, x);
    else write_vec((real *)field + i, x);
}

INLINE void move_vector(const MoveCoefficients *c, const MoveRows *rows, int64_t i, vec sums[SUMS], const int is_half) {
    vec m[J], v = read_stored(rows->v, i, is_half);
    UNROLL for (int j = 0; j < J; j++) m[j] = read_stored(rows->m[j], i, is_half);
    const vec bounded = advance(&c->step, read_vec(rows->g + i), m, &v, sums);
    UNROLL for (int j = 0; j < J; j++) write_stored(rows->m[j], i, m[j], is_half);
    write_stored(rows->v, i, v, is_half);
    write_vec(rows->w + i, c->retention * read_vec(rows->w + i) - c->scale * bounded);
}

/* The last few coordinates, beside zeros: they add nothing to sums. */
INLINE void move_rest(const MoveCoefficients *c, const MoveRows *rows, int64_t i, int n, vec sums[SUMS], const int is_half) {
    const size_t stored = is_half ? sizeof(uint16_t) : sizeof(real);
    real memory[J + 3][LANES];
    memset(memory, 0, sizeof memory);
    MoveRows rest = {.g = memory[0], .w = memory[1], .v = memory[2]};
    memcpy(memory[0], rows->g + i, n * sizeof(real));
    memcpy(memory[1], rows->w + i, n * sizeof(real));
    memcpy(memory[2], (const char *)rows->v + i * stored, n * stored);
    for (int j = 0; j < J; j++) {
        rest.m[j] = memory[3 + j];
        memcpy(memory[3 + j], (const char *)rows->m[j] + i * stored, n * stored);
    }
    move_vector(c, &rest, 0, sums, is_half);
    memcpy(rows->w + i, rest.w, n * sizeof(real));
    memcpy((char *)rows->v + i * stored, rest.v, n * stored);
    for (int j = 0; j < J; j++) memcpy((char *)rows->m[j] + i * stored, rest.m[j], n * stored);
}

INLINE void move_chunks(const MoveCoefficients *c, const MoveRows *rows, int64_t begin, int64_t end, double totals[SUMS],
                        const int is_half) {
    for (; begin < end; begin += CHUNK) {
        const int64_t chunk_end = begin + CHUNK < end ? begin + CHUNK : end;
        vec sums[SUMS] = {{0}};
        int64_t i = begin;
        for (; i + LANES <= chunk_end; i += LANES) move_vector(c, rows, i, sums, is_half);
        if (i < chunk_end) move_rest(c, rows, i, (int)(chunk_end - i), sums, is_half);
        for (int r = 0; r < SUMS; r++) totals[r] += sum_lanes(sums[r]);
    }
}

static void move_halves(const MoveCoefficients *c, const MoveRows *rows, int64_t begin, int64_t end, double *totals) {
    move_chunks(c, rows, begin, end, totals, 1);
}

static void move_reals(const MoveCoefficients *c, const MoveRows *rows, int64_t begin, int64_t end, double *totals) {
    move_chunks(c, rows, begin, end, totals, 0);
}

/* The Euclidean norm's square, in chunks of `real`: not finite where it leaves its range. */
static double sum_squares(const real *x, int64_t n) {
    double total = 0;
    for (int64_t begin = 0; begin < n; begin += CHUNK) {
        const int64_t end = begin + CHUNK < n ? begin + CHUNK : n;
        vec sums[4] = {{0}};
        real rest = 0;
        int64_t i = begin;
        for (; i + 4 * LANES <= end; i += 4 * LANES)
            UNROLL for (int k = 0; k < 4; k++) {
                const vec y = read_vec(x + i + k * LANES);
                sums[k] += y * y;
            }
        for (; i < end; i++) rest += x[i] * x[i];
        total += sum_lanes((sums[0] + sums[1]) + (sums[2] + sums[3])) + (double)rest;
    }
    return total;
}

int64_t tensor_move_workspace(int64_t n_tensors) { return n_tensors * (int64_t)sizeof(MoveCoefficients); }

int64_t tensor_segment(void) { return SEGMENT; }

int64_t tensor_sums(void) { return SUMS; }

/* The Euclidean norm of all gradients; not finite if a number is not, or if its square leaves the range of `real`. */
double tensor_norm(const int64_t *lengths, const real *const *gradients, int64_t n_tensors) {
    double total = 0;
    for (int64_t tensor = 0; tensor < n_tensors; tensor++) total += sum_squares(gradients[tensor], lengths[tensor]);
    return sqrt((double)(real)total);
}

/* What is the same for all coordinates of each tensor, from the state before the step; of one learner. */
void tensor_move_prepare(const TensorProblem *problem, const double *theta, const TensorState *state, const Move *move,
                         MoveCoefficients *workspace) {
    const ThetaParts parts = part_theta((double *)theta, problem);
    for (int64_t tensor = 0; tensor < problem->n_tensors; tensor++) {
        MoveCoefficients *c = workspace + tensor;
        Cells cells;
        run_cells(problem, parts, *state, tensor, &cells);
        prepare_step(problem, &cells, *state, tensor, c->beta_hat, &c->gamma_hat, &c->step);
        c->scale = splat((real)(move->rates[tensor] * cells.length));
        c->retention = splat((real)move->retentions[tensor]);
    }
}

/* Segments `first` … `last` - 1; sums (segments, SUMS) are written. */
void tensor_move_segments(const TensorProblem *problem, const TensorState *state, const Move *move,
                          const MoveCoefficients *workspace, double *sums, int64_t first, int64_t last) {
    const unsigned mode = flush_denormals();
    const size_t stored = move->bf16_state ? sizeof(uint16_t) : sizeof(real);
    for (int64_t segment = first; segment < last; segment++) {
        const int64_t tensor = move->segment_tensors[segment], length = problem->lengths[tensor];
        const int64_t begin = move->segment_begins[segment];
        const int64_t end = begin + SEGMENT < length ? begin + SEGMENT : length;
        const int64_t at = move->tensor_begins[tensor];
        MoveRows rows = {.g = move->gradients[tensor], .w = move->parameters[tensor]};
        rows.v = (char *)state->v + at * stored;
        for (int j = 0; j < J; j++) rows.m[j] = (char *)state->m + (j * problem->p + at) * stored;
        double *totals = sums + segment * SUMS;
        memset(totals, 0, SUMS * sizeof(double));
        (move->bf16_state ? move_halves : move_reals)(workspace + tensor, &rows, begin, end, totals);
    }
    restore_mode(mode);
}

/* What the cells of the next step are told; sums are those of all segments. */
void tensor_move_finish(const TensorProblem *problem, const TensorState *state, const Move *move,
                        const MoveCoefficients *workspace, const double *sums) {
    int64_t segment = 0;
    for (int64_t tensor = 0; tensor < problem->n_tensors; tensor++) {
        const MoveCoefficients *c = workspace + tensor;
        double totals[SUMS] = {0};
        for (; segment < move->n_segments && move->segment_tensors[segment] == tensor; segment++)
            for (int r = 0; r < SUMS; r++) totals[r] += sums[segment * SUMS + r];
        state->n_steps[tensor] += 1;
        finish_step(problem, *state, tensor, c->beta_hat, c->gamma_hat, totals, problem->lengths[tensor]);
    }
}
