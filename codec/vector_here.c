/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Which of the vector format's codecs this processor can run. */
#include "vector.h"

const struct tmem_codec *tmem_vector_twin(uint32_t i)
{
	const struct tmem_codec *twins[4] = {&tmem_vector, NULL};
	uint32_t count = 1;

#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx2"))
		twins[count++] = &tmem_vector_avx2;
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	    __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512vbmi2"))
		twins[count++] = &tmem_vector_avx512;
#endif
	return i < count ? twins[i] : NULL;
}

const struct tmem_codec *tmem_vector_here(void)
{
	uint32_t i = 0;

	while (tmem_vector_twin(i + 1))
		i++;
	return tmem_vector_twin(i);
}
