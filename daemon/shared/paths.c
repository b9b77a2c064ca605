// SPDX-License-Identifier: MIT
/* The default run-time directory, decided in one place for both programs. */
#include "paths.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

bool paths_run_dir(char *path, size_t size)
{
	const char *base = getenv("XDG_RUNTIME_DIR");
	int length;

	if (geteuid() == 0) {
		length = snprintf(path, size, "/run/tmem");
	} else if (base && base[0] == '/') {
		length = snprintf(path, size, "%s/tmem", base);
	} else {
		base = getenv("TMPDIR");
		length = snprintf(path, size, "%s/tmem-%u", base && base[0] == '/' ? base : "/tmp",
				  (unsigned int)geteuid());
	}
	return length > 0 && (size_t)length < size;
}

bool paths_control(char *path, size_t size)
{
	char dir[256];
	int length;

	if (!paths_run_dir(dir, sizeof(dir)))
		return false;
	length = snprintf(path, size, "%s/%s", dir, PATHS_CONTROL_NAME);
	return length > 0 && (size_t)length < size;
}
