/* The three products of a linear layer over a block of coordinates, register-blocked.
 *
 * An operand is some rows of BLOCK consecutive numbers, one row per feature. Every matrix of the cell has dimensions that
 * are multiples of J, so tiles whose sides divide J leave no remainder.
 */
#pragma once
#include "vector.h"

#define COLUMNS (REGISTERS == 32 ? 4 : 2)
#define ROWS (J % 5 == 0 ? 5 : J % 4 == 0 ? 4 : J % 3 == 0 ? 3 : J % 2 == 0 ? 2 : 1)
#define OUTER_COLUMNS (REGISTERS == 32 ? (J % 4 == 0 ? 4 : J % 5 == 0 ? 5 : ROWS) : (J % 2 == 0 ? 2 : 1))

/* acc += w[0:ROWS, 0:k] x[0:k] for one tile of ROWS x COLUMNS vectors. */
INLINE void accumulate(vec acc[ROWS][COLUMNS], const real *w, long stride, const real *x, int k_end) {
    for (int k = 0; k < k_end; k++) {
        vec column[COLUMNS];
        UNROLL for (int c = 0; c < COLUMNS; c++) column[c] = load(x + k * BLOCK + c * LANES);
        UNROLL for (int r = 0; r < ROWS; r++) {
            const vec weight = splat(w[r * stride + k]);
            UNROLL for (int c = 0; c < COLUMNS; c++) acc[r][c] += weight * column[c];
        }
    }
}

/* out[rows] = w[rows, 0:na+nb] [a; b] + bias; w has row stride na + nb, bias may be NULL. */
static void linear(real *out, int rows, const real *w, const real *bias, const real *a, int na, const real *b, int nb) {
    const long stride = na + nb;
    for (int start = 0; start < BLOCK; start += COLUMNS * LANES) {
        for (int row = 0; row < rows; row += ROWS) {
            vec acc[ROWS][COLUMNS];
            UNROLL for (int r = 0; r < ROWS; r++)
                UNROLL for (int c = 0; c < COLUMNS; c++) acc[r][c] = splat(bias ? bias[row + r] : 0);
            accumulate(acc, w + row * stride, stride, a + start, na);
            accumulate(acc, w + row * stride + na, stride, b + start, nb);
            UNROLL for (int r = 0; r < ROWS; r++)
                UNROLL for (int c = 0; c < COLUMNS; c++) store(out + (row + r) * BLOCK + start + c * LANES, acc[r][c]);
        }
    }
}

/* sums[rows, columns] += delta x^T, one partial sum for each lane, in the order of the tiles. */
static void outer(vec *sums, const real *delta, int rows, const real *x, int columns) {
    for (int row = 0; row < rows; row += ROWS) {
        for (int column = 0; column < columns; column += OUTER_COLUMNS, sums += ROWS * OUTER_COLUMNS) {
            vec acc[ROWS][OUTER_COLUMNS];
            UNROLL for (int r = 0; r < ROWS; r++)
                UNROLL for (int c = 0; c < OUTER_COLUMNS; c++) acc[r][c] = sums[r * OUTER_COLUMNS + c];
            for (int i = 0; i < BLOCK; i += LANES) {
                vec right[OUTER_COLUMNS];
                UNROLL for (int c = 0; c < OUTER_COLUMNS; c++) right[c] = load(x + (column + c) * BLOCK + i);
                UNROLL for (int r = 0; r < ROWS; r++) {
                    vec left = load(delta + (row + r) * BLOCK + i);
                    IN_REGISTER(left);
                    UNROLL for (int c = 0; c < OUTER_COLUMNS; c++) acc[r][c] += left * right[c];
                }
            }
            UNROLL for (int r = 0; r < ROWS; r++)
                UNROLL for (int c = 0; c < OUTER_COLUMNS; c++) sums[r * OUTER_COLUMNS + c] = acc[r][c];
        }
    }
}

/* total[row * stride + column] += what `outer` has summed; the sums start again from zero. */
static void flush_outer(vec *sums, int rows, int columns, double *total, long stride) {
    for (int row = 0; row < rows; row += ROWS)
        for (int column = 0; column < columns; column += OUTER_COLUMNS)
            for (int r = 0; r < ROWS; r++)
                for (int c = 0; c < OUTER_COLUMNS; c++, sums++) {
                    total[(row + r) * stride + column + c] += sum_lanes(*sums);
                    *sums = splat(0);
                }
}

/* sums[row] += delta[row], summed over the block into one vector. */
static void row_sums(vec *sums, const real *delta, int rows) {
    for (int row = 0; row < rows; row++) {
        vec acc = sums[row];
        for (int i = 0; i < BLOCK; i += LANES) acc += load(delta + row * BLOCK + i);
        sums[row] = acc;
    }
}

static void flush_rows(vec *sums, int rows, double *total) {
    for (int row = 0; row < rows; row++) {
        total[row] += sum_lanes(sums[row]);
        sums[row] = splat(0);
    }
}
