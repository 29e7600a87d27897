/* clock.h - wall time is data, monotonic time decides. All in microseconds. [AUD-7] */
#ifndef AIRLOCK_BASE_CLOCK_H
#define AIRLOCK_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

int64_t clock_wall_us(void);  /* since 1970, CLOCK_REALTIME */
int64_t clock_boot_us(void);  /* CLOCK_BOOTTIME: counts suspend */
int64_t clock_mono_us(void);  /* CLOCK_MONOTONIC */
int64_t clock_cpu_us(void);   /* processor time of this process so far */
int64_t clock_slept_us(void); /* how long the machine was suspended since it booted */

#define CLOCK_ISO_LEN 28
/* "2026-11-22T10:00:00.123456Z" */
void clock_iso(int64_t wall_us, char out[CLOCK_ISO_LEN]);
/* Back again: exactly that form, a day that exists. -1 otherwise. */
int clock_parse_iso(const char *text, int64_t *wall_us);

/* A time-ordered id: 26 lower-case Crockford base32 characters, 48 bits of ms + 80 random. */
#define ID_LEN 26
void id_new(char out[ID_LEN + 1]);

/* "0.41 s", "3 min", "2 h", "5 d": for people. */
void clock_duration(int64_t us, char *out, size_t size);

#endif
