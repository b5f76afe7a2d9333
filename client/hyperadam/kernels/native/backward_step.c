/* Back-propagation of one step by itself, to the gradient that went in: what second order needs.
 *
 * From the adjoints of (d_t, state_t) to those of (g_t, state_{t-1}) and Θ, learner by learner. g_t enters by its norm
 * (x = squash(κ g), as in backward.c) and by the moments:
 *
 *     ḡ = Σ_j (1 - β_j) m̄_j + 2 g (1 - γ_j) v̄_j  +  κ (z - x̂ <z, x̂> / n),    z = x̄ squash'(x̂)
 *
 * where m̄, v̄ are the adjoints of m_t, v_t. Three sweeps over the learner's blocks: the heads and moments (A), the LSTM
 * (B), and what the norms of m_{t-1} and of g_t take off.
 */

/* g_bar (1 row) += κ z of the features' deltas, which lstm_backward leaves in w.inputs; *dot = <z, x̂>. */
static void gradient_norm_backward(const Problem *problem, const real *theta, Tools w, const real *g, const real *scale,
                                   double *dot) {
    real *x_bar = w.upstream;
    memset(x_bar, 0, BLOCK * sizeof(real));
    for (int r = 0; r < J; r++) {
        const vec weight = splat(theta[W_PRE + r]);
        for (int i = 0; i < BLOCK; i += LANES)
            store(x_bar + i, load(x_bar + i) + weight * load(w.inputs + r * BLOCK + i));
    }
    normalize(problem, w.gates.x, w.g_slope, g, scale, 1);
    normalize_backward(w.g_bar, dot, x_bar, w.g_slope, g, scale, 1);
}

/* adjoint -= x κ take_off, for rows of x. */
static void take_off_rows(real *adjoint, const real *x, const real *scales, const real *take_off_of, int rows) {
    for (int r = 0; r < rows; r++) {
        const vec each = splat(scales[r]) * splat(take_off_of[r]);
        for (int k = r * BLOCK; k < (r + 1) * BLOCK; k += LANES) store(adjoint + k, load(adjoint + k) - load(x + k) * each);
    }
}

/* total (learners, N_THETA) += each learner's gradient; g_bar (learners, p) is written.
 *
 * old, new: the slots before and after the step. upstream: (learners, p). adjoint: like a slot, that of `new` on entry and
 * of `old` on return. */
void tape_backward_step(const Problem *problem, const real *theta, const real *old, const real *new, const real *g_blocks,
                        const real *scales, const real *upstream, real *adjoint, double *dots, real *g_bar, double *total,
                        real *memory) {
    const unsigned mode = flush_denormals();
    Tools w = tools(memory, theta);
    const int64_t each = blocks_per_learner(problem);
    for (int64_t learner = 0; learner < problem->n_learners; learner++) {
        const real *kappa = scales + learner * SCALES;
        const int64_t begin = learner * each, end = begin + each;
        double *sums = total + learner * N_THETA, g_dot = 0;
        int64_t pending = 0;
        Correction correction;

        for (int64_t q = begin; q < end; q++) {
            const Block at = locate(problem, q);
            const int64_t from = q * SLOT_SIZE;
            gather(w.upstream, upstream, 1, 0, at);
            memset(w.g_bar, 0, BLOCK * sizeof(real));
            heads_backward(problem, theta, w, g_blocks + q * BLOCK, new + from, old + from, adjoint + from, kappa, 0, 0,
                           dots + q * 2 * J, 1);
            scatter(g_bar, w.g_bar, 1, 0, at);
            if (++pending == FLUSH_BLOCKS) flush(w.sums, sums), pending = 0;
        }
        correct_learner(problem, dots, scales, learner, &correction);

        for (int64_t q = begin; q < end; q++) {
            const Block at = locate(problem, q);
            const int64_t from = q * SLOT_SIZE;
            double dot;
            lstm_backward(problem, theta, w, g_blocks + q * BLOCK, old + from, new + from, adjoint + from, kappa, &correction);
            gather(w.g_bar, g_bar, 1, 0, at);
            gradient_norm_backward(problem, theta, w, g_blocks + q * BLOCK, kappa, &dot);
            scatter(g_bar, w.g_bar, 1, 0, at);
            g_dot += dot;
            if (++pending == FLUSH_BLOCKS) flush(w.sums, sums), pending = 0;
        }

        const real g_take_off = take_off(problem, g_dot, kappa[0]);
        for (int64_t q = begin; q < end; q++) {
            const Block at = locate(problem, q);
            const int64_t moments_from = q * SLOT_SIZE + M * ROWS_SIZE;
            take_off_rows(adjoint + moments_from, old + moments_from, kappa + 1 + J, correction.take_off + J, J);
            gather(w.g_bar, g_bar, 1, 0, at);
            take_off_rows(w.g_bar, g_blocks + q * BLOCK, kappa, &g_take_off, 1);
            scatter(g_bar, w.g_bar, 1, 0, at);
        }
        flush(w.sums, sums);
    }
    restore_mode(mode);
}
