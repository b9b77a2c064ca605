// SPDX-License-Identifier: MIT
/* Times from nanoseconds to seconds in one width, three digits each. */
#include "latency.h"

#include <inttypes.h>
#include <stdio.h>

#include "view.h"

#define TIME_TEXT 16

static const char *format_time(uint64_t ns, char text[TIME_TEXT])
{
	static const char *const units[] = {"ns", "us", "ms", "s"};
	double value = (double)ns;
	size_t i = 0;
	int digits;

	for (; value >= 999.5 && i < 3; i++)
		value /= 1000;
	digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
	snprintf(text, TIME_TEXT, "%.*f %s", i ? digits : 0, value, units[i]);
	return text;
}

void latency_print_head(void)
{
	printf("  %-22s %-11s%10s%10s%10s%10s%10s\n", "latency of requests", "", "COUNT", "P50",
	       "P99", "P99.9", "MAX");
}

void latency_print_line(const char *name, struct json_object *one, const char *sentence)
{
	char text[TIME_TEXT];

	printf("  %-22s %-11s%10" PRIu64, name, "requests", view_u64(one, "requests"));
	printf("%10s", format_time(view_u64(one, "p50_ns"), text));
	printf("%10s", format_time(view_u64(one, "p99_ns"), text));
	printf("%10s", format_time(view_u64(one, "p999_ns"), text));
	printf("%10s", format_time(view_u64(one, "most_ns"), text));
	if (sentence)
		printf("  %s", sentence);
	putchar('\n');
}
