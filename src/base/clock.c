/* clock.c - the three clocks, ISO times, ids and durations. */
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/sha256.h"

#define US_PER_S   INT64_C(1000000)
#define US_PER_MIN (60 * US_PER_S)
#define US_PER_H   (60 * US_PER_MIN)
#define US_PER_DAY (24 * US_PER_H)

/* 0000-01-01 and the last microsecond of 9999: the form has four digits for the year. */
#define ISO_MIN_US (-719528 * US_PER_DAY)
#define ISO_MAX_US (2932897 * US_PER_DAY - 1)

static int64_t clock_us(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * US_PER_S + ts.tv_nsec / 1000;
}

int64_t clock_wall_us(void)
{
    return clock_us(CLOCK_REALTIME);
}

int64_t clock_boot_us(void)
{
    return clock_us(CLOCK_BOOTTIME);
}

int64_t clock_mono_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

int64_t clock_cpu_us(void)
{
    return clock_us(CLOCK_PROCESS_CPUTIME_ID);
}

int64_t clock_slept_us(void)
{
    return clock_boot_us() - clock_mono_us();
}

struct date {
    unsigned year, month, day;
};

/* Days since 1970 to the proleptic Gregorian date. The year is counted from 1 March, so that the
 * leap day is its last; then eras of 400 years have 146097 days each. */
static struct date date_of(int64_t days)
{
    uint32_t since = (uint32_t)(days + 719468 + 146097); /* one era more: never negative here */
    uint32_t era = since / 146097, doe = since % 146097;
    uint32_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    uint32_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    uint32_t mp = (5 * doy + 2) / 153;
    struct date d;
    d.day = doy - (153 * mp + 2) / 5 + 1;
    d.month = mp < 10 ? mp + 3 : mp - 9;
    d.year = yoe + era * 400 - 400 + (d.month <= 2);
    return d;
}

static void put_digits(char *out, unsigned width, uint32_t n)
{
    while (width-- > 0) {
        out[width] = (char)('0' + n % 10);
        n /= 10;
    }
}

void clock_iso(int64_t wall_us, char out[CLOCK_ISO_LEN])
{
    if (wall_us < ISO_MIN_US)
        wall_us = ISO_MIN_US;
    if (wall_us > ISO_MAX_US)
        wall_us = ISO_MAX_US;
    int64_t days = wall_us / US_PER_DAY, rest = wall_us % US_PER_DAY;
    if (rest < 0) {
        days--;
        rest += US_PER_DAY;
    }
    struct date d = date_of(days);
    static const char form[CLOCK_ISO_LEN] = "0000-00-00T00:00:00.000000Z";
    for (unsigned i = 0; i < CLOCK_ISO_LEN; i++)
        out[i] = form[i];
    put_digits(out, 4, d.year);
    put_digits(out + 5, 2, d.month);
    put_digits(out + 8, 2, d.day);
    put_digits(out + 11, 2, (uint32_t)(rest / US_PER_H));
    put_digits(out + 14, 2, (uint32_t)(rest / US_PER_MIN % 60));
    put_digits(out + 17, 2, (uint32_t)(rest / US_PER_S % 60));
    put_digits(out + 20, 6, (uint32_t)(rest % US_PER_S));
}

/* Days since 1970 of a date, the inverse of date_of. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year + 400) / 400 - 1, yoe = year - era * 400;
    int64_t doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + doe - 719468;
}

static int64_t number_at(const char *text, unsigned width)
{
    int64_t n = 0;
    while (width-- > 0)
        n = n * 10 + (*text++ - '0');
    return n;
}

/* What has the form is worked out, and what is no time does not come back as it was. */
int clock_parse_iso(const char *text, int64_t *wall_us)
{
    static const char form[CLOCK_ISO_LEN] = "0000-00-00T00:00:00.000000Z";
    char again[CLOCK_ISO_LEN];
    if (strlen(text) != CLOCK_ISO_LEN - 1)
        return -1;
    for (size_t i = 0; i < CLOCK_ISO_LEN - 1; i++) {
        if (form[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
            return -1;
    }
    int64_t days = days_of(number_at(text, 4), number_at(text + 5, 2), number_at(text + 8, 2));
    int64_t us = days * US_PER_DAY + number_at(text + 11, 2) * US_PER_H +
                 number_at(text + 14, 2) * US_PER_MIN + number_at(text + 17, 2) * US_PER_S +
                 number_at(text + 20, 6);
    clock_iso(us, again);
    if (strcmp(again, text) != 0)
        return -1;
    *wall_us = us;
    return 0;
}

static const char crockford[] = "0123456789abcdefghjkmnpqrstvwxyz";

void id_new(char out[ID_LEN + 1])
{
    uint8_t raw[10];
    random_bytes(raw, sizeof raw);
    uint64_t ms = (uint64_t)(clock_wall_us() / 1000) & ((UINT64_C(1) << 48) - 1);
    for (int i = 9; i >= 0; i--, ms >>= 5)
        out[i] = crockford[ms & 31];
    for (int half = 0; half < 2; half++) {
        uint64_t bits = 0;
        for (int i = 0; i < 5; i++)
            bits = bits << 8 | raw[5 * half + i];
        for (int i = 7; i >= 0; i--, bits >>= 5)
            out[10 + 8 * half + i] = crockford[bits & 31];
    }
    out[ID_LEN] = '\0';
}

void clock_duration(int64_t us, char *out, size_t size)
{
    if (us < 0)
        us = 0;
    if (us < 10 * US_PER_S)
        snprintf(out, size, "%d.%02d s", (int)(us / US_PER_S), (int)(us % US_PER_S / 10000));
    else if (us < US_PER_MIN)
        snprintf(out, size, "%d.%d s", (int)(us / US_PER_S), (int)(us % US_PER_S / 100000));
    else if (us < US_PER_H)
        snprintf(out, size, "%d min", (int)(us / US_PER_MIN));
    else if (us < US_PER_DAY)
        snprintf(out, size, "%d h", (int)(us / US_PER_H));
    else
        snprintf(out, size, "%lld d", (long long)(us / US_PER_DAY));
}
