// SPDX-License-Identifier: MIT
/* Sizes, numbers and names as people write them. */
#include "units.h"

#include <stdio.h>
#include <string.h>

static const char suffixes[] = "KMGTP";

/* Digits at *@text, which moves past them. */
static bool digits(const char **text, uint64_t *value)
{
	const char *at = *text;
	uint64_t sum = 0;

	if (*at < '0' || *at > '9')
		return false;
	for (; *at >= '0' && *at <= '9'; at++) {
		uint64_t digit = (uint64_t)(*at - '0');

		if (sum > ((uint64_t)INT64_MAX - digit) / 10)
			return false;
		sum = sum * 10 + digit;
	}
	*text = at;
	*value = sum;
	return true;
}

bool units_parse_number(const char *text, uint64_t *number)
{
	uint64_t value;

	if (!digits(&text, &value) || *text)
		return false;
	*number = value;
	return true;
}

bool units_parse_size(const char *text, uint64_t *bytes)
{
	const char *suffix;
	unsigned int shift = 0;
	uint64_t value;

	if (!digits(&text, &value))
		return false;
	if (*text) {
		suffix = strchr(suffixes, *text);
		if (!suffix || text[1])
			return false;
		shift = 10 * (unsigned int)(suffix - suffixes + 1);
	}
	if (value > (uint64_t)INT64_MAX >> shift)
		return false;
	*bytes = value << shift;
	return true;
}

struct unit {
	const char *words; /* between spaces */
	uint64_t factor;
};

/* @units ends with one without words. */
static bool parse_spelled(const char *text, const struct unit *units, uint64_t *number)
{
	char word[16];
	uint64_t value;
	size_t length;

	if (!digits(&text, &value))
		return false;
	while (*text == ' ')
		text++;
	length = strlen(text);
	if (!length || length > sizeof(word) - 3 || strchr(text, ' '))
		return false;
	snprintf(word, sizeof(word), " %s ", text);
	for (; units->words; units++) {
		if (!strstr(units->words, word))
			continue;
		if (value > (uint64_t)INT64_MAX / units->factor)
			return false;
		*number = value * units->factor;
		return true;
	}
	return false;
}

bool units_parse_spelled_size(const char *text, uint64_t *bytes)
{
	static const struct unit sizes[] = {
		{" bytes byte B ", 1},
		{" K KiB ", UINT64_C(1) << 10},
		{" M MiB ", UINT64_C(1) << 20},
		{" G GiB ", UINT64_C(1) << 30},
		{" T TiB ", UINT64_C(1) << 40},
		{" P PiB ", UINT64_C(1) << 50},
		{NULL, 0},
	};

	return parse_spelled(text, sizes, bytes);
}

bool units_parse_spelled_seconds(const char *text, uint64_t *seconds)
{
	static const struct unit times[] = {
		{" s sec second seconds ", 1},
		{" min minute minutes ", 60},
		{" h hour hours ", 3600},
		{NULL, 0},
	};

	return parse_spelled(text, times, seconds);
}

const char *units_format_size(uint64_t bytes, char text[UNITS_SIZE_TEXT])
{
	char suffix[2] = "";
	size_t i;

	for (i = 0; suffixes[i] && bytes && !(bytes & 1023); i++) {
		bytes >>= 10;
		suffix[0] = suffixes[i];
	}
	snprintf(text, UNITS_SIZE_TEXT, "%llu%s", (unsigned long long)bytes, suffix);
	return text;
}

const char *units_format_rough(uint64_t bytes, char text[UNITS_SIZE_TEXT])
{
	double value = (double)bytes;
	size_t i = 0;

	if (bytes < 1024) {
		snprintf(text, UNITS_SIZE_TEXT, "%u B", (unsigned int)bytes);
		return text;
	}
	for (value /= 1024; value >= 1024 && suffixes[i + 1]; i++)
		value /= 1024;
	snprintf(text, UNITS_SIZE_TEXT, "%.*f %ciB",
		 value < 10    ? 2
		 : value < 100 ? 1
			       : 0,
		 value, suffixes[i]);
	return text;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool units_parse_uuid(const char *text, uint64_t uuid[2])
{
	uint64_t words[2] = {0, 0};
	unsigned int count = 0;
	bool hyphen = true; /* none may come next */

	for (; *text; text++) {
		int digit = hex_digit(*text);

		if (digit < 0 && (*text != '-' || hyphen))
			return false;
		hyphen = digit < 0;
		if (hyphen)
			continue;
		if (count == 32)
			return false;
		words[count / 16] = words[count / 16] << 4 | (uint64_t)digit;
		count++;
	}
	if (count < 32 || hyphen || !(words[0] | words[1]))
		return false;
	uuid[0] = words[0];
	uuid[1] = words[1];
	return true;
}

const char *units_format_uuid(const uint64_t uuid[2], char text[UNITS_UUID_TEXT])
{
	unsigned long long high = uuid[0];
	unsigned long long low = uuid[1];

	snprintf(text, UNITS_UUID_TEXT, "%08llx-%04llx-%04llx-%04llx-%012llx", high >> 32,
		 high >> 16 & 0xffff, high & 0xffff, low >> 48, low & 0xffffffffffff);
	return text;
}

bool units_name_ok(const char *name, size_t length)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_.-";
	size_t i;

	if (length < 1 || length > UNITS_NAME_MAX)
		return false;
	for (i = 0; i < length; i++) {
		if (!name[i] || !strchr(allowed, name[i]))
			return false;
	}
	if (name[0] == '.' && (length == 1 || (length == 2 && name[1] == '.')))
		return false;
	return true;
}
