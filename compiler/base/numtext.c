#include "base/numtext.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"

/* Reads digits at *text and moves it behind them; false without a digit or on
 * overflow. */
static bool take_digits(const char **text, uint64_t *out)
{
    const char *at = *text;
    uint64_t value = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (!size_mul(&value, value, 10) ||
            !size_add(&value, value, (uint64_t)(*at - '0'))) {
            return false;
        }
    }
    if (at == *text) {
        return false;
    }
    *text = at;
    *out = value;
    return true;
}

bool parse_u64(const char *text, uint64_t *out)
{
    uint64_t value;
    if (!take_digits(&text, &value) || *text) {
        return false;
    }
    *out = value;
    return true;
}

bool parse_u32(const char *text, uint32_t *out)
{
    uint64_t value;
    return parse_u64(text, &value) && u32_from(out, value);
}

bool parse_i64(const char *text, int64_t *out)
{
    const bool is_negative = *text == '-';
    uint64_t value;
    if (!parse_u64(text + is_negative, &value)) {
        return false;
    }
    if (is_negative) {
        if (value > (uint64_t)INT64_MAX + 1) {
            return false;
        }
        *out = value == 0 ? 0 : -(int64_t)(value - 1) - 1;
        return true;
    }
    if (value > INT64_MAX) {
        return false;
    }
    *out = (int64_t)value;
    return true;
}

bool parse_f64(const char *text, double *out)
{
    /* strtod also takes spaces, hex, inf and nan. */
    if (*text == '\0' || text[strspn(text, "+-.0123456789eE")] != '\0') {
        return false;
    }
    char *end;
    const double value = strtod(text, &end);
    if (*end || !isfinite(value)) {
        return false;
    }
    *out = value;
    return true;
}

struct unit {
    char letter;
    uint64_t si;
    uint64_t iec;
};

static const struct unit k_units[] = {
    {'T', 1000000000000u, (uint64_t)1 << 40},
    {'G', 1000000000u, (uint64_t)1 << 30},
    {'M', 1000000u, (uint64_t)1 << 20},
    {'K', 1000u, (uint64_t)1 << 10},
};

/* Reads the unit at *text and moves it behind; 1 without one. */
static uint64_t take_unit(const char **text)
{
    const int letter = **text == 'k' ? 'K' : **text;
    for (size_t i = 0; i < ARRAY_LEN(k_units); i++) {
        if (letter == k_units[i].letter) {
            const bool is_iec = (*text)[1] == 'i';
            *text += is_iec ? 2 : 1;
            return is_iec ? k_units[i].iec : k_units[i].si;
        }
    }
    return 1;
}

bool parse_size(const char *text, uint64_t *out_bytes)
{
    uint64_t whole;
    if (!take_digits(&text, &whole)) {
        return false;
    }
    uint64_t fraction = 0;
    uint64_t denominator = 1;
    if (*text == '.') {
        const char *const start = ++text;
        if (!take_digits(&text, &fraction)) {
            return false;
        }
        for (const char *at = start; at < text; at++) {
            if (!size_mul(&denominator, denominator, 10)) {
                return false;
            }
        }
    }
    const uint64_t unit = take_unit(&text);
    text += *text == 'B';
    uint64_t bytes;
    uint64_t part;
    if (*text || !size_mul(&bytes, whole, unit)) {
        return false;
    }
    /* fraction * unit / denominator, in lowest terms so that it fits. */
    while (fraction % 10 == 0 && denominator > 1) {
        fraction /= 10;
        denominator /= 10;
    }
    if (!size_mul(&part, fraction, unit) || part % denominator != 0 ||
        !size_add(&bytes, bytes, part / denominator)) {
        return false;
    }
    *out_bytes = bytes;
    return true;
}

void size_text(char dst[SIZE_TEXT_CAP], uint64_t bytes)
{
    (void)snprintf(dst, SIZE_TEXT_CAP, "%" PRIu64, bytes);
    if (bytes == 0) {
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(k_units); i++) {
        const struct unit *const unit = &k_units[i];
        char text[SIZE_TEXT_CAP];
        if (bytes % unit->si == 0) {
            (void)snprintf(text, sizeof text, "%" PRIu64 "%c", bytes / unit->si,
                           unit->letter);
            if (strlen(text) < strlen(dst)) {
                memcpy(dst, text, sizeof text);
            }
        }
        if (bytes % unit->iec == 0) {
            (void)snprintf(text, sizeof text, "%" PRIu64 "%ci",
                           bytes / unit->iec, unit->letter);
            if (strlen(text) < strlen(dst)) {
                memcpy(dst, text, sizeof text);
            }
        }
    }
}
