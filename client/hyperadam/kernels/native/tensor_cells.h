/* The three cells of the rule whose cells are a tensor's, forward and backward, in double whatever `real` is: they are
 * a few hundred numbers a tensor, and what they say is rounded once.
 *
 *     x = [r_1 … r_J, r_g, clocks, fan-in, gain, role, surroundings]   h = tanh(W_x x + b_x)
 *     β = σ(W_β h + b_β)   γ = σ(b_γ)   ρ_j = b_j e^{(W_ρ h)_j}   ℓ = k e^{w_k h} unit gain^a (fan-in / 64)^b
 *
 * The equations in full are in `hyperadam.rules.hyperadam_tensor`.
 */
#pragma once
#include "vector.h"

enum { N_ROLES = 4, VECTOR_ROLE = N_ROLES - 1 };
enum { LONG_CLOCK = J + 1, SHORT_CLOCK, FAN_IN, GAIN, ROLE, FEATURES = ROLE + N_ROLES };
enum { V_MEAN = J, G_MEAN, MEANS };  /* of m̂_j² (J of them), of v̂, of g² */
enum { ZERO_SHARE = MEANS, SUMS };   /* a mean that cells do not see, and that may be missing: of g = 0 */
enum { N_TRAITS = 1 + N_ROLES, MOST_SURROUNDINGS = 5 };
enum { LARGEST_HIDDEN = 256 };
#define RATIO_FLOOR 1e-8
#define WARMUP 20
#define FORGOTTEN 0.01
#define USUAL_FAN_IN 64

/* Learners of the same tensors side by side. A cell is one tensor of one learner. */
typedef struct {
    int64_t n_learners, p, n_tensors, n_hidden, n_surroundings, n_means; /* n_means: MEANS, or SUMS where zeros are counted */
    double epsilon, bound, sparse_above;
    const int64_t *lengths;       /* (tensors) */
    const real *start_rms;        /* (cells) */
    const real *traits;           /* (N_TRAITS + n_surroundings, cells) */
} TensorProblem;

/* What changes from step to step: m (J, learners, p), v (learners, p); the others (·, cells). */
typedef struct {
    real *m, *v, *beta_hat, *gamma_hat, *means, *n_steps;
} TensorState;

/* Where the parts of Θ, or of its gradient, lie in the flat vector. */
typedef struct {
    double *state_weight, *state_bias, *adam_weight, *adam_bias, *weight_weight, *weight_bias, *length_weight, *length_bias, *length_exponents;
} ThetaParts;

typedef struct {
    double features[FEATURES + MOST_SURROUNDINGS], hidden[LARGEST_HIDDEN], beta[J], complement[J], gamma, gamma_complement, growth[J], rho[J], length;
    double log_gain, log_fan_in;
    double ratios[J + 1], v_mean; /* of m̂_j², then of g², to v̂ */
} Cells;

/* ∂F/∂ what the cells say. */
typedef struct {
    double beta[J], gamma, rho[J], length;
} CellAdjoints;

static int64_t count_features(const TensorProblem *problem) { return FEATURES + problem->n_surroundings; }

static ThetaParts part_theta(double *vector, const TensorProblem *problem) {
    const int64_t n_hidden = problem->n_hidden;
    ThetaParts parts;
    parts.state_weight = vector;
    parts.state_bias = parts.state_weight + n_hidden * count_features(problem);
    parts.adam_weight = parts.state_bias + n_hidden;
    parts.adam_bias = parts.adam_weight + J * n_hidden;
    parts.weight_weight = parts.adam_bias + J + 1;
    parts.weight_bias = parts.weight_weight + J * n_hidden;
    parts.length_weight = parts.weight_bias + J;
    parts.length_bias = parts.length_weight + n_hidden;
    parts.length_exponents = parts.length_bias + N_ROLES;
    return parts;
}

static int64_t count_theta(const TensorProblem *problem) {
    const int64_t of_units = count_features(problem) + 2 * J + 2;
    return problem->n_hidden * of_units + 2 * J + 1 + N_ROLES + 2 + problem->n_surroundings;
}

static int64_t count_cells(const TensorProblem *problem) { return problem->n_learners * problem->n_tensors; }

static double dot(const double *a, const double *b, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/* y += scale x */
static void add_scaled(double *y, double scale, const double *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] += scale * x[i];
}

static int is_relative(const TensorProblem *problem, int64_t cell) {
    const real is_vector = problem->traits[(1 + VECTOR_ROLE) * count_cells(problem) + cell];
    return problem->start_rms[cell] > 0 && is_vector < (real)0.5;
}

static void gather_features(const TensorProblem *problem, TensorState state, int64_t cell, Cells *cells) {
    const int64_t n_cells = count_cells(problem);
    const double t = (double)state.n_steps[cell] + 1;
    double *x = cells->features;
    cells->v_mean = (double)state.means[V_MEAN * n_cells + cell];
    for (int i = 0; i <= J; i++) {
        const int mean = i < J ? i : G_MEAN;
        cells->ratios[i] = (double)state.means[mean * n_cells + cell] / (cells->v_mean + problem->epsilon);
        x[i] = cells->v_mean > 0 ? 0.25 * log(cells->ratios[i] + RATIO_FLOOR) : 0;
    }
    x[LONG_CLOCK] = log(t) / 4 - 0.7;
    x[SHORT_CLOCK] = (t < WARMUP ? t / WARMUP : 1) - 0.5;
    cells->log_fan_in = (double)problem->traits[cell];
    cells->log_gain = is_relative(problem, cell) ? log((double)problem->start_rms[cell]) + cells->log_fan_in / 2 : 0;
    x[FAN_IN] = cells->log_fan_in / 5 - 0.7;
    x[GAIN] = cells->log_gain / 2;
    for (int role = 0; role < N_ROLES; role++) x[ROLE + role] = (double)problem->traits[(1 + role) * n_cells + cell];
    for (int64_t i = 0; i < problem->n_surroundings; i++) x[FEATURES + i] = (double)problem->traits[(N_TRAITS + i) * n_cells + cell];
}

static double compute_length(const TensorProblem *problem, ThetaParts theta, int64_t cell, const Cells *cells) {
    const int relative = is_relative(problem, cell);
    const double of_role = dot(theta.length_bias, cells->features + ROLE, N_ROLES);
    const double of_start = theta.length_exponents[0] * cells->log_gain +
                            theta.length_exponents[1] * (cells->log_fan_in - log(USUAL_FAN_IN));
    const double of_network = dot(theta.length_exponents + 2, cells->features + FEATURES, problem->n_surroundings);
    const double log_length = (relative ? of_role + of_start : theta.length_bias[VECTOR_ROLE]) + of_network;
    const double unit = relative ? (double)problem->start_rms[cell] : 1;
    return unit * exp(log_length + dot(theta.length_weight, cells->hidden, problem->n_hidden));
}

/* What the cells say for the step after `state`. */
static void run_cells(const TensorProblem *problem, ThetaParts theta, TensorState state, int64_t cell, Cells *cells) {
    const int64_t n_hidden = problem->n_hidden, n_features = count_features(problem);
    gather_features(problem, state, cell, cells);
    for (int64_t unit = 0; unit < n_hidden; unit++) {
        const double of_features = dot(theta.state_weight + unit * n_features, cells->features, n_features);
        cells->hidden[unit] = tanh(of_features + theta.state_bias[unit]);
    }
    for (int j = 0; j < J; j++) {
        const double logit = dot(theta.adam_weight + j * n_hidden, cells->hidden, n_hidden) + theta.adam_bias[j];
        cells->beta[j] = 1 / (1 + exp(-logit));
        cells->complement[j] = 1 / (1 + exp(logit));
        cells->growth[j] = exp(dot(theta.weight_weight + j * n_hidden, cells->hidden, n_hidden));
        cells->rho[j] = theta.weight_bias[j] * cells->growth[j];
    }
    cells->gamma = 1 / (1 + exp(-theta.adam_bias[J]));
    cells->gamma_complement = 1 / (1 + exp(theta.adam_bias[J]));
    cells->length = compute_length(problem, theta, cell, cells);
}

/* From what the features' derivative is to that of the means of the step before; `means_bar` (MEANS) is written. */
static void features_backward(const TensorProblem *problem, const Cells *cells, const double *features_bar, double *means_bar) {
    const double divisor = cells->v_mean + problem->epsilon;
    means_bar[V_MEAN] = 0;
    for (int i = 0; i <= J; i++) {
        const double ratio = cells->ratios[i];
        const double ratio_bar = cells->v_mean > 0 ? 0.25 * features_bar[i] / (ratio + RATIO_FLOOR) : 0;
        means_bar[i < J ? i : G_MEAN] = ratio_bar / divisor;
        means_bar[V_MEAN] -= ratio_bar * ratio / divisor;
    }
}

/* `total` += the gradient of Θ; `means_bar` (MEANS) is written. */
static void cells_backward(const TensorProblem *problem, ThetaParts theta, int64_t cell, const Cells *cells,
                           const CellAdjoints *bar, ThetaParts total, double *means_bar) {
    const int64_t n_hidden = problem->n_hidden, n_features = count_features(problem);
    double hidden_bar[LARGEST_HIDDEN] = {0}, features_bar[FEATURES + MOST_SURROUNDINGS] = {0};
    for (int j = 0; j < J; j++) {
        const double logit_bar = bar->beta[j] * cells->beta[j] * cells->complement[j];
        const double exponent_bar = bar->rho[j] * cells->rho[j];
        total.adam_bias[j] += logit_bar;
        total.weight_bias[j] += bar->rho[j] * cells->growth[j];
        add_scaled(total.adam_weight + j * n_hidden, logit_bar, cells->hidden, n_hidden);
        add_scaled(total.weight_weight + j * n_hidden, exponent_bar, cells->hidden, n_hidden);
        add_scaled(hidden_bar, logit_bar, theta.adam_weight + j * n_hidden, n_hidden);
        add_scaled(hidden_bar, exponent_bar, theta.weight_weight + j * n_hidden, n_hidden);
    }
    total.adam_bias[J] += bar->gamma * cells->gamma * cells->gamma_complement;

    const double log_length_bar = bar->length * cells->length;
    add_scaled(total.length_weight, log_length_bar, cells->hidden, n_hidden);
    add_scaled(hidden_bar, log_length_bar, theta.length_weight, n_hidden);
    if (is_relative(problem, cell)) {
        add_scaled(total.length_bias, log_length_bar, cells->features + ROLE, N_ROLES);
        total.length_exponents[0] += log_length_bar * cells->log_gain;
        total.length_exponents[1] += log_length_bar * (cells->log_fan_in - log(USUAL_FAN_IN));
    } else total.length_bias[VECTOR_ROLE] += log_length_bar;
    add_scaled(total.length_exponents + 2, log_length_bar, cells->features + FEATURES, problem->n_surroundings);

    for (int64_t unit = 0; unit < n_hidden; unit++) {
        const double sum_bar = hidden_bar[unit] * (1 - cells->hidden[unit] * cells->hidden[unit]);
        total.state_bias[unit] += sum_bar;
        add_scaled(total.state_weight + unit * n_features, sum_bar, cells->features, n_features);
        add_scaled(features_bar, sum_bar, theta.state_weight + unit * n_features, n_features);
    }
    features_backward(problem, cells, features_bar, means_bar);
}
