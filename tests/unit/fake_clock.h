/* fake_clock.h - the clock that timers go by (CLOCK_BOOTTIME), put forward by the test: found by
 * the linker before the C library's. */
#ifndef AIRLOCK_TESTS_FAKE_CLOCK_H
#define AIRLOCK_TESTS_FAKE_CLOCK_H

#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int64_t fake_ahead_us; /* of the clock that timers go by */

int clock_gettime(clockid_t id, struct timespec *ts)
{
    int rc = (int)syscall(SYS_clock_gettime, id, ts);
    if (rc == 0 && id == CLOCK_BOOTTIME) {
        int64_t ns = ts->tv_nsec + fake_ahead_us % 1000000 * 1000;
        ts->tv_sec += (time_t)(fake_ahead_us / 1000000 + ns / 1000000000);
        ts->tv_nsec = (long)(ns % 1000000000);
    }
    return rc;
}

#endif
