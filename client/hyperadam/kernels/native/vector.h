/* Vectors of numbers and the functions that the cell applies to them.
 *
 * GNU C vector extensions (GCC and Clang, any architecture); the few instructions without a portable spelling (square
 * root, approximate reciprocals, blends) have an x86 form beside the portable one. float: polynomials, a few units in the
 * last place. DOUBLE: the C library, lane by lane. NaN comes out wherever NaN goes in.
 */
#pragma once
#include <math.h>
#include <stdint.h>
#include <string.h>
#if defined(__AVX__)
#include <immintrin.h>
#endif

#ifdef DOUBLE
typedef double real;
typedef int64_t integer;
#else
typedef float real;
typedef int32_t integer;
#endif

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#define REGISTERS 32
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#define REGISTERS 16
#elif defined(__aarch64__)
#define VECTOR_BYTES 16
#define REGISTERS 32
#else
#define VECTOR_BYTES 16
#define REGISTERS 16
#endif
#define LANES ((int)(VECTOR_BYTES / sizeof(real)))

typedef real vec __attribute__((vector_size(VECTOR_BYTES), may_alias));
typedef integer ivec __attribute__((vector_size(VECTOR_BYTES), may_alias));

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 32")

INLINE vec splat(real x) { return x - (vec){0}; }
INLINE vec load(const real *p) { return *(const vec *)p; }
INLINE void store(real *p, vec x) { *(vec *)p = x; }

/* Numbers below the normal range (squares of tiny gradients) count as zeros while a kernel runs: they cost up to a
 * hundred times more, and ε is far above them. The caller's mode is kept. */
INLINE unsigned flush_denormals(void) {
#if defined(__AVX__)
    const unsigned mode = _mm_getcsr();
    _mm_setcsr(mode | 0x8040);
    return mode;
#else
    return 0;
#endif
}

INLINE void restore_mode(unsigned mode) {
#if defined(__AVX__)
    _mm_setcsr(mode);
#else
    (void)mode;
#endif
}

/* Keeps x in a register: the compiler would rather load it once for each use. */
#if defined(__AVX512F__)
#define IN_REGISTER(x) __asm__("" : "+v"(x))
#else
#define IN_REGISTER(x)
#endif

/* where(m, a, b): a in the lanes where the mask m is all ones, b where it is zero. */
INLINE vec where(ivec m, vec a, vec b) { return (vec)((m & (ivec)a) | (~m & (ivec)b)); }

INLINE double sum_lanes(vec x) {
    double part[LANES];
    for (int i = 0; i < LANES; i++) part[i] = (double)x[i];
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++) part[i] += part[i + half];
    return part[0];
}

#define EACH_LANE(f, x)                                     \
    vec y_ = x;                                             \
    for (int i_ = 0; i_ < LANES; i_++) y_[i_] = f(y_[i_]);  \
    return y_

#ifdef DOUBLE

INLINE vec v_sqrt(vec x) { EACH_LANE(sqrt, x); }
INLINE vec v_reciprocal(vec x) { return 1 / x; }
INLINE vec v_rsqrt(vec x) { return 1 / v_sqrt(x); }
INLINE vec v_exp(vec x) { EACH_LANE(exp, x); }
INLINE vec v_expm1(vec x) { EACH_LANE(expm1, x); }
INLINE vec v_tanh(vec x) { EACH_LANE(tanh, x); }
INLINE vec v_asinh(vec x) { EACH_LANE(asinh, x); }
INLINE vec v_min(vec a, vec b) { return where(a < b, a, b); }
INLINE vec v_max(vec a, vec b) { return where(a > b, a, b); }
#define LARGEST_EXPONENT 700
INLINE vec clamp_exponent(vec x) { return v_max(splat(-LARGEST_EXPONENT), v_min(splat(LARGEST_EXPONENT), x)); }

#else

#define LARGEST_EXPONENT 87

/* The smaller and the larger of a and b; b where one of them is NaN. */
#if defined(__AVX512F__)
INLINE vec v_min(vec a, vec b) { return (vec)_mm512_min_ps((__m512)a, (__m512)b); }
INLINE vec v_max(vec a, vec b) { return (vec)_mm512_max_ps((__m512)a, (__m512)b); }
#else
INLINE vec v_min(vec a, vec b) { return where(a < b, a, b); }
INLINE vec v_max(vec a, vec b) { return where(a > b, a, b); }
#endif

INLINE vec v_sqrt(vec x) {
#if defined(__AVX512F__)
    return (vec)_mm512_sqrt_ps((__m512)x);
#elif defined(__AVX__)
    return (vec)_mm256_sqrt_ps((__m256)x);
#else
    EACH_LANE(sqrtf, x);
#endif
}

/* 1/x for x in the normal range, whose reciprocal is too. */
INLINE vec v_reciprocal(vec x) {
#if defined(__AVX512F__)
    vec y = (vec)_mm512_rcp14_ps((__m512)x);
    return y + y * (1 - x * y);
#else
    return 1 / x;
#endif
}

/* 1/sqrt(x) for x > 0 in the normal range. */
INLINE vec v_rsqrt(vec x) {
#if defined(__AVX512F__)
    vec y = (vec)_mm512_rsqrt14_ps((__m512)x);
    return y + y * (splat(0.5f) - splat(0.5f) * x * y * y);
#else
    return 1 / v_sqrt(x);
#endif
}

/* √x for x > 0 in the normal range. */
INLINE vec v_root(vec x) {
#if defined(__AVX512F__)
    return x * v_rsqrt(x);
#else
    return v_sqrt(x);
#endif
}

/* exp(x) = scale (1 + m) with scale a power of two and m = exp(r) - 1 for |r| <= ln(2)/2. |x| <= 87. */
INLINE void split_exp(vec x, vec *scale, vec *m) {
    const vec shift = splat(12582912.0f); /* 1.5 * 2^23: adding it rounds to an integer, held in the low bits */
    vec t = x * splat(1.44269504f) + shift;
    vec n = t - shift;
    vec r = x - n * splat(0.693359375f);
    r = r + n * splat(2.12194440e-4f);
    vec q = splat(0.00139337336f);
    q = q * r + splat(0.00836323574f);
    q = q * r + splat(0.0416664630f);
    q = q * r + splat(0.166665763f);
    q = q * r + splat(0.5f);
    *m = r + (r * r) * q;
    *scale = (vec)((ivec)splat(1.0f) + ((ivec)t << 23));
}

INLINE vec clamp_exponent(vec x) { return v_max(splat(-LARGEST_EXPONENT), v_min(splat(LARGEST_EXPONENT), x)); }

INLINE vec v_exp(vec x) {
    vec scale, m;
    split_exp(x, &scale, &m);
    return scale + scale * m;
}

INLINE vec v_expm1(vec x) {
    vec scale, m;
    split_exp(clamp_exponent(x), &scale, &m);
    return scale * m + (scale - 1);
}

INLINE vec v_tanh(vec x) {
    vec e = v_expm1(v_min(splat(40), x + x));
    return e * v_reciprocal(e + 2);
}

/* sign(x) log(1 + a), a = |x| + x²/(1 + √(1 + x²)); log of 2^k (1 + f) with 1 + f in [√½, √2). */
INLINE vec v_asinh(vec x) {
    const ivec sign = (ivec)x & (ivec)splat(-0.0f);
    vec t = (vec)((ivec)x ^ sign), square = t * t;
    vec a = t + square * v_reciprocal(1 + v_root(1 + square));
    ivec k = ((ivec)(1 + a) - (ivec)splat(0.70710678f)) >> 23;
    vec down = (vec)((ivec)splat(1.0f) - (k << 23)); /* 2^-k */
    vec f = a * down + (down - 1);
    vec p = splat(-0.0810155869f);
    p = p * f + splat(0.127123073f);
    p = p * f + splat(-0.129722387f);
    p = p * f + splat(0.142021745f);
    p = p * f + splat(-0.166422471f);
    p = p * f + splat(0.200014681f);
    p = p * f + splat(-0.250002980f);
    p = p * f + splat(0.333333284f);
    vec kf = __builtin_convertvector(k, vec);
    vec low = kf * splat(-2.12194440e-4f) + (f * f) * (f * p - splat(0.5f));
    vec y = kf * splat(0.693359375f) + (f + low);
    return (vec)((ivec)y | sign);
}

#endif

/* The logistic function of x and, to full relative accuracy, 1 minus it. */
INLINE vec v_sigmoid(vec x, vec *complement) {
    vec e = v_exp(clamp_exponent(-x));
    vec y = v_reciprocal(1 + e);
    *complement = e * y;
    return y;
}

/* ELU; its derivative is 1 where x > 0 and ELU(x) + 1 elsewhere. */
INLINE vec v_elu(vec x) {
    const vec zero = splat(0);
    return where(x > zero, x, v_expm1(v_min(zero, x)));
}
