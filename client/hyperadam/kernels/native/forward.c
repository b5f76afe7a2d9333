/* The cell forward over all blocks: on a state in the rule's layout (the optimizer), or into a tape (meta-training).
 *
 * The rule's layout is candidate-major, six fields of (J, learners, p). A tape keeps the state of every step as
 * [blocks][FIELDS][J][BLOCK]. Sums over coordinates are made per block and added in block order, so the numbers do not
 * depend on who computes which block.
 */
#include "cell.h"

/* Scales of one learner and step: of the gradient, of s_t (J), of m_{t-1} (J). */
#define SCALES (1 + 2 * J)

typedef struct {
    Gates gates;
    Heads heads;
    real *g, *direction, *slot;
} Workspace;

enum { WORKSPACE_ROWS = 3 + 5 * J + 5 * J + FIELDS * J };

INLINE real *take(real **at, int rows) {
    real *taken = *at;
    *at += rows * BLOCK;
    return taken;
}

static Workspace workspace(real *memory) {
    Workspace w = {0};
    w.g = take(&memory, 1);
    w.direction = take(&memory, 1);
    w.gates = (Gates){take(&memory, 1), take(&memory, J), take(&memory, 4 * J)};
    w.heads.s = take(&memory, J);
    w.heads.m = take(&memory, J);
    w.heads.rates = take(&memory, 2 * J);
    w.heads.mix = take(&memory, J);
    w.slot = take(&memory, FIELDS * J);
    return w;
}

static real scale_of(const Problem *problem, double sum) {
    const double square = (problem->rms ? sum / (double)problem->p : sum) + problem->norm_epsilon;
    return square > 0 ? (real)(1 / sqrt(square)) : 0;
}

static void set_gradient_scale(const Problem *problem, int64_t learner, const double *sums, real *scales) {
    double total = 0;
    const int64_t each = blocks_per_learner(problem);
    for (int64_t q = learner * each; q < (learner + 1) * each; q++) total += sums[q * 2 * J];
    scales[learner * SCALES] = scale_of(problem, total);
}

/* scales of s_t and m_{t-1}, from sums[blocks][2 J]. */
void state_scales(const Problem *problem, const double *sums, real *scales) {
    const int64_t each = blocks_per_learner(problem);
    for (int64_t learner = 0; learner < problem->n_learners; learner++) {
        double total[2 * J] = {0};
        for (int64_t q = learner * each; q < (learner + 1) * each; q++)
            for (int r = 0; r < 2 * J; r++) total[r] += sums[q * 2 * J + r];
        for (int r = 0; r < 2 * J; r++) scales[learner * SCALES + 1 + r] = scale_of(problem, total[r]);
    }
}

/* scales of the gradient g (learners, p); `sums` is overwritten. */
void gradient_scales(const Problem *problem, const real *g, double *sums, real *scales, real *memory) {
    Workspace w = workspace(memory);
    for (int64_t q = 0; q < problem->n_learners * blocks_per_learner(problem); q++) {
        gather(w.g, g, 1, 0, locate(problem, q));
        squares(sums + q * 2 * J, w.g, 1);
    }
    for (int64_t learner = 0; learner < problem->n_learners; learner++) set_gradient_scale(problem, learner, sums, scales);
}

/* First pass of a step over blocks [begin, end): hidden and cell, and the squares of s_t and m_{t-1}. */
void first_pass(const Problem *problem, const real *theta, const real *g, const real *scales, void *const *fields,
                void *const *out, double *sums, real *memory, int64_t begin, int64_t end) {
    const unsigned mode = flush_denormals();
    Workspace w = workspace(memory);
    const int64_t stride = problem->n_learners * problem->p;
    real *hidden = w.slot + HIDDEN * ROWS_SIZE, *cell = w.slot + CELL * ROWS_SIZE, *m = w.slot + M * ROWS_SIZE;
    for (int64_t q = begin; q < end; q++) {
        const Block at = locate(problem, q);
        gather(w.g, g, 1, stride, at);
        gather_field(problem, hidden, fields[HIDDEN], stride, at);
        gather_field(problem, cell, fields[CELL], stride, at);
        gather_field(problem, m, fields[M], stride, at);
        squares(sums + q * 2 * J + J, m, J);
        state_cell(problem, theta, w.gates, w.g, scales[at.learner * SCALES], at.n, hidden, cell, hidden, cell);
        scatter_field(problem, out[HIDDEN], hidden, stride, at);
        scatter_field(problem, out[CELL], cell, stride, at);
        squares(sums + q * 2 * J, hidden, J);
    }
    restore_mode(mode);
}

/* Second pass over blocks [begin, end): moments and direction. `out[HIDDEN]` is what the first pass wrote. */
void second_pass(const Problem *problem, const real *theta, const real *g, const real *scales, void *const *fields,
                 void *const *out, real *direction, real *memory, int64_t begin, int64_t end) {
    const unsigned mode = flush_denormals();
    Workspace w = workspace(memory);
    const int64_t stride = problem->n_learners * problem->p;
    for (int64_t q = begin; q < end; q++) {
        const Block at = locate(problem, q);
        gather(w.g, g, 1, stride, at);
        gather_field(problem, w.slot + HIDDEN * ROWS_SIZE, out[HIDDEN], stride, at);
        for (int field = M; field < FIELDS; field++)
            gather_field(problem, w.slot + field * ROWS_SIZE, fields[field], stride, at);
        adam_cell(problem, theta, w.heads, w.g, scales + at.learner * SCALES + 1, w.slot, w.slot, w.slot, w.direction);
        for (int field = M; field < FIELDS; field++)
            scatter_field(problem, out[field], w.slot + field * ROWS_SIZE, stride, at);
        scatter(direction, w.direction, 1, stride, at);
    }
    restore_mode(mode);
}

/* A state in the rule's layout, to and from a slot of a tape. */
void tape_load(const Problem *problem, real *const *fields, real *slot) {
    for (int64_t q = 0; q < problem->n_learners * blocks_per_learner(problem); q++)
        for (int field = 0; field < FIELDS; field++)
            gather(slot + q * SLOT_SIZE + field * ROWS_SIZE, fields[field], J, problem->n_learners * problem->p, locate(problem, q));
}

void tape_unload(const Problem *problem, const real *slot, real *const *fields) {
    for (int64_t q = 0; q < problem->n_learners * blocks_per_learner(problem); q++)
        for (int field = 0; field < FIELDS; field++)
            scatter(fields[field], slot + q * SLOT_SIZE + field * ROWS_SIZE, J, problem->n_learners * problem->p, locate(problem, q));
}

/* One step of a tape: from slot `old` to slot `new`; keeps the gradient in blocks, and the scales, for the backward pass. */
void tape_step(const Problem *problem, const real *theta, const real *g, real *g_blocks, const real *old, real *new,
               real *scales, real *direction, double *sums, real *memory) {
    const unsigned mode = flush_denormals();
    Workspace w = workspace(memory);
    const int64_t each = blocks_per_learner(problem);
    for (int64_t learner = 0; learner < problem->n_learners; learner++) {
        const int64_t begin = learner * each, end = begin + each;
        for (int64_t q = begin; q < end; q++) {
            gather(g_blocks + q * BLOCK, g, 1, 0, locate(problem, q));
            squares(sums + q * 2 * J, g_blocks + q * BLOCK, 1);
        }
        set_gradient_scale(problem, learner, sums, scales);
        for (int64_t q = begin; q < end; q++) {
            const real *from = old + q * SLOT_SIZE;
            real *to = new + q * SLOT_SIZE;
            state_cell(problem, theta, w.gates, g_blocks + q * BLOCK, scales[learner * SCALES], locate(problem, q).n,
                       from, from + CELL * ROWS_SIZE, to, to + CELL * ROWS_SIZE);
            squares(sums + q * 2 * J, to, J);
            squares(sums + q * 2 * J + J, from + M * ROWS_SIZE, J);
        }
    }
    state_scales(problem, sums, scales);
    for (int64_t q = 0; q < problem->n_learners * each; q++) {
        const Block at = locate(problem, q);
        real *to = new + q * SLOT_SIZE;
        adam_cell(problem, theta, w.heads, g_blocks + q * BLOCK, scales + at.learner * SCALES + 1, to, old + q * SLOT_SIZE,
                  to, w.direction);
        scatter(direction, w.direction, 1, 0, at);
    }
    restore_mode(mode);
}

int64_t block_size(void) { return BLOCK; }
int64_t forward_workspace(void) { return WORKSPACE_ROWS * BLOCK; }
