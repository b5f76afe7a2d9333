/* The rule whose cells are a tensor's, for one J (-DJ=4) and one dtype: single steps, and a tape that is differentiated
 * step by step. One pass over the coordinates each; all that a step needs of a tensor as a whole is of the step before.
 */
#include "tensor_backward.h"
#include "tensor_move.c"

/* A state as the tape keeps it: its fields one after the other. */
static TensorState open_slot(const TensorProblem *problem, real *slot) {
    const int64_t n_cells = count_cells(problem), n_coordinates = problem->n_learners * problem->p;
    TensorState state = {.m = slot};
    state.v = state.m + J * n_coordinates;
    state.beta_hat = state.v + n_coordinates;
    state.gamma_hat = state.beta_hat + J * n_cells;
    state.means = state.gamma_hat + n_cells;
    state.n_steps = state.means + problem->n_means * n_cells;
    return state;
}

/* Where a cell's coordinates begin, for each cell in turn. */
typedef struct {
    int64_t cell, tensor, at, length, stride;
} Place;

static Place first_place(const TensorProblem *problem) {
    Place place = {.stride = problem->n_learners * problem->p};
    place.length = problem->n_tensors ? problem->lengths[0] : 0;
    return place;
}

static void next_place(const TensorProblem *problem, Place *place) {
    place->cell++;
    place->at += place->length;
    place->tensor = place->tensor + 1 < problem->n_tensors ? place->tensor + 1 : 0;
    place->length = problem->lengths[place->tensor];
}

static void step_tensors(const TensorProblem *problem, ThetaParts theta, const real *g, TensorState old, TensorState new,
                         real *direction) {
    const int64_t n_cells = count_cells(problem);
    Place place = first_place(problem);
    for (; place.cell < n_cells; next_place(problem, &place)) {
        const int64_t cell = place.cell, at = place.at;
        Cells cells;
        Coefficients c;
        double beta_hat[J], gamma_hat, totals[SUMS] = {0};
        run_cells(problem, theta, old, cell, &cells);
        prepare_step(problem, &cells, old, cell, beta_hat, &gamma_hat, &c);

        Rows rows = {.g = g + at, .v = old.v + at, .v_out = new.v + at, .direction = direction + at};
        for (int j = 0; j < J; j++) {
            rows.m[j] = old.m + j * place.stride + at;
            rows.m_out[j] = new.m + j * place.stride + at;
        }
        step_coordinates(&c, &rows, place.length, totals);

        new.n_steps[cell] = old.n_steps[cell] + 1;
        finish_step(problem, new, cell, beta_hat, gamma_hat, totals, place.length);
    }
}

/* g and direction (learners, p); the fields of `new` may be those of `old`, and direction may be g. */
void tensor_step(const TensorProblem *problem, const double *theta, const real *g, const TensorState *old,
                 const TensorState *new, real *direction) {
    const unsigned mode = flush_denormals();
    step_tensors(problem, part_theta((double *)theta, problem), g, *old, *new, direction);
    restore_mode(mode);
}

void tensor_tape_step(const TensorProblem *problem, const double *theta, const real *g, const real *old, real *new,
                      real *direction) {
    const unsigned mode = flush_denormals();
    const TensorState before = open_slot(problem, (real *)old), after = open_slot(problem, new);
    step_tensors(problem, part_theta((double *)theta, problem), g, before, after, direction);
    restore_mode(mode);
}

/* The coefficients of the pass back: those of the step, and what the means' adjoints give every coordinate. */
static void prepare_backward(const double *beta_hat, double gamma_hat, const double *means_bar, double n,
                             BackCoefficients *c) {
    for (int j = 0; j < J; j++) c->m_slope[j] = splat((real)(2 * means_bar[j] / (n * beta_hat[j] * beta_hat[j])));
    c->v_slope = splat((real)(means_bar[V_MEAN] / (n * gamma_hat)));
    c->g_slope = splat((real)(means_bar[G_MEAN] / n));
}

/* One cell, after its pass: the adjoints of what the cells said, and those of the bias factors before. */
static void finish_backward(const TensorProblem *problem, const Cells *cells, TensorState old, TensorState new, TensorState bar,
                            int64_t cell, const double *beta_hat, double gamma_hat, const double *sums, CellAdjoints *said) {
    const int64_t n_cells = count_cells(problem);
    for (int j = 0; j < J; j++) {
        const int64_t at = j * n_cells + cell;
        const double weight_bar = sums[WEIGHT_SUM + j];
        const double of_weight = weight_bar * cells->rho[j] / beta_hat[j];
        const double of_mean = 2 * (double)bar.means[at] * (double)new.means[at];
        const double beta_hat_bar = (double)bar.beta_hat[at] - (of_weight + of_mean) / beta_hat[j];
        said->beta[j] = sums[BETA_SUM + j] + beta_hat_bar * ((double)old.beta_hat[at] - 1);
        said->rho[j] = weight_bar / beta_hat[j];
        bar.beta_hat[at] = (real)(cells->beta[j] * beta_hat_bar);
    }
    const int64_t at = V_MEAN * n_cells + cell;
    const double of_v = sums[GAMMA_HAT_SUM] / gamma_hat + (double)bar.means[at] * (double)new.means[at];
    const double gamma_hat_bar = (double)bar.gamma_hat[cell] - of_v / gamma_hat;
    said->gamma = sums[GAMMA_SUM] + gamma_hat_bar * ((double)old.gamma_hat[cell] - 1);
    said->length = sums[LENGTH_SUM];
    bar.gamma_hat[cell] = (real)(cells->gamma * gamma_hat_bar);
}

/* total (learners, n_theta) += each learner's gradient; g_bar (learners, p) is written.
 *
 * old, new: the slots before and after the step. upstream: (learners, p). adjoint: like a slot, that of `new` on entry and
 * of `old` on return.
 */
void tensor_tape_backward_step(const TensorProblem *problem, const double *theta, const real *g, const real *old,
                               const real *new, const real *upstream, real *adjoint, real *g_bar, double *total) {
    const unsigned mode = flush_denormals();
    const int64_t n_cells = count_cells(problem);
    const ThetaParts parts = part_theta((double *)theta, problem);
    const TensorState before = open_slot(problem, (real *)old), after = open_slot(problem, (real *)new);
    const TensorState bar = open_slot(problem, adjoint);
    Place place = first_place(problem);
    for (; place.cell < n_cells; next_place(problem, &place)) {
        const int64_t cell = place.cell, at = place.at;
        Cells cells;
        BackCoefficients c;
        CellAdjoints said;
        double beta_hat[J], gamma_hat, means_bar[MEANS], sums[BACK_SUMS] = {0};
        run_cells(problem, parts, before, cell, &cells);
        prepare_step(problem, &cells, before, cell, beta_hat, &gamma_hat, &c.step);
        for (int r = 0; r < MEANS; r++) means_bar[r] = (double)bar.means[r * n_cells + cell];
        prepare_backward(beta_hat, gamma_hat, means_bar, at_least_one(place.length), &c);

        BackRows rows = {.g = g + at, .v = before.v + at, .upstream = upstream + at, .v_bar = bar.v + at, .g_bar = g_bar + at};
        for (int j = 0; j < J; j++) {
            rows.m[j] = before.m + j * place.stride + at;
            rows.m_bar[j] = bar.m + j * place.stride + at;
        }
        backward_coordinates(&c, &rows, place.length, sums);

        const int64_t learner = cell / problem->n_tensors;
        double *own_total = total + learner * count_theta(problem);
        finish_backward(problem, &cells, before, after, bar, cell, beta_hat, gamma_hat, sums, &said);
        cells_backward(problem, parts, cell, &cells, &said, part_theta(own_total, problem), means_bar);
        for (int r = 0; r < MEANS; r++) bar.means[r * n_cells + cell] = (real)means_bar[r];
    }
    restore_mode(mode);
}
