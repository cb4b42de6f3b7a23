/* The text of an error: gathered where it happens, told where Slurm shows it to the user. */
#include "pyxis.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static char text[8192];

void report_add(const char *format, ...)
{
	size_t used = strlen(text);
	va_list arguments;

	if (used + 2 >= sizeof(text))
		return;
	va_start(arguments, format);
	vsnprintf(text + used, sizeof(text) - used - 1, format, arguments);
	va_end(arguments);
	strcat(text, "\n");
}

const char *report_text(void)
{
	return text;
}

void report_set(const char *received)
{
	snprintf(text, sizeof(text), "%s", received);
}

/* Write each line to the step's stderr, as `slurmstepd: error: pyxis: ...`. */
void report_tell(void)
{
	char copy[sizeof(text)];
	char *rest = copy;
	char *line;

	snprintf(copy, sizeof(copy), "%s", text);
	while ((line = strsep(&rest, "\n")) != NULL)
		if (*line != '\0')
			slurm_error("pyxis: %s", line);
}
