/* The image's variables: they win over the host's, except for those named in --container-env. */
#include "pyxis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char image_variables[] = "/etc/environment";
/* The host's locale says nothing about the locales of an image. */
static const char *const dropped[] = { "LANG", "LANGUAGE", "LC_ALL" };

static bool host_wins(const char *name)
{
	for (size_t i = 0; i < request.environment_count; i++)
		if (strcmp(request.environment[i], name) == 0)
			return true;
	return false;
}

/* One line NAME=VALUE; the value may stand in double quotes. */
static int apply_line(spank_t sp, char *line)
{
	char *value = strchr(line, '=');
	size_t length;
	spank_err_t result;

	line[strcspn(line, "\n")] = '\0';
	if (*line == '#' || value == NULL)
		return 0;
	*value++ = '\0';
	length = strlen(value);
	if (length >= 2 && value[0] == '"' && value[length - 1] == '"') {
		value[length - 1] = '\0';
		value++;
	}
	result = spank_setenv(sp, line, value, host_wins(line) ? 0 : 1);
	if (result != ESPANK_SUCCESS && result != ESPANK_ENV_EXISTS) {
		slurm_error("pyxis: failed to set %s: %s", line, spank_strerror(result));
		return -1;
	}
	return 0;
}

int environment_apply(spank_t sp)
{
	FILE *file;
	char *line = NULL;
	size_t size = 0;
	int result = 0;

	for (size_t i = 0; i < ARRAY_LENGTH(dropped); i++)
		if (!host_wins(dropped[i]))
			spank_unsetenv(sp, dropped[i]);
	file = fopen(image_variables, "re");
	if (file == NULL)
		return 0; /* An image may define no variable. */
	while (result == 0 && getline(&line, &size, file) >= 0)
		result = apply_line(sp, line);
	free(line);
	fclose(file);
	return result;
}
