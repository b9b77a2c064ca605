/* SPDX-License-Identifier: MIT */
/*
 * Which sanitizer a test is built with (1 or 0), however the compiler says so.
 * A few cases race on purpose, or need a system call that a sanitizer swallows.
 */
#ifndef TEST_PORT_SANITIZER_H
#define TEST_PORT_SANITIZER_H

#if defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#endif
#endif

#ifndef UNDER_TSAN
#define UNDER_TSAN 0
#endif

#if defined(__SANITIZE_ADDRESS__)
#define UNDER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_ASAN 1
#endif
#endif

#ifndef UNDER_ASAN
#define UNDER_ASAN 0
#endif

#endif
