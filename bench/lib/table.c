/* bench/lib/table.c - see table.h. */
#include "bench/lib/table.h"

#include <stdarg.h>
#include <stdlib.h>

void series_add(struct series *series, double reading)
{
	if (series->count < SERIES_MAX)
		series->readings[series->count++] = reading;
}

static int compare(const void *a, const void *b)
{
	double difference = *(const double *)a - *(const double *)b;

	return (difference > 0) - (difference < 0);
}

static struct series sorted(const struct series *series)
{
	struct series copy = *series;

	qsort(copy.readings, copy.count, sizeof(copy.readings[0]), compare);
	return copy;
}

double series_median(const struct series *series)
{
	struct series copy = sorted(series);
	uint32_t middle = copy.count / 2;

	if (copy.count == 0)
		return 0;
	return copy.count % 2 ? copy.readings[middle]
			      : (copy.readings[middle - 1] + copy.readings[middle]) / 2;
}

double series_spread(const struct series *series)
{
	struct series copy = sorted(series);

	if (copy.count < 3)
		return -1;
	uint32_t quarter = (copy.count - 1) / 4;
	return (copy.readings[copy.count - 1 - quarter] - copy.readings[quarter]) / 2;
}

double series_ratio(const struct series *series, const struct series *base)
{
	struct series ratios = {0};

	for (uint32_t i = 0; i < series->count && i < base->count; i++)
		if (base->readings[i] > 0)
			series_add(&ratios, series->readings[i] / base->readings[i]);
	return series_median(&ratios);
}

json_t *series_json(const struct series *series)
{
	json_t *readings = json_array();
	json_t *result = json_object();
	double spread = series_spread(series);

	for (uint32_t i = 0; i < series->count; i++)
		json_array_append_new(readings, json_real(series->readings[i]));
	json_object_set_new(result, "median", json_real(series_median(series)));
	if (spread >= 0)
		json_object_set_new(result, "spread", json_real(spread));
	json_object_set_new(result, "readings", readings);
	return result;
}

json_t *ratio_json(const struct series *series, const struct series *base)
{
	double ratio = series_ratio(series, base);

	return ratio > 0 ? json_real(ratio) : json_null();
}

struct table *table_create(const char *const *headings, size_t count)
{
	struct table *table = calloc(1, sizeof(*table));

	check(table != NULL);
	table_begin(table);
	for (size_t i = 0; i < count; i++)
		table_cell(table, "%s", headings[i]);
	return table;
}

void table_begin(struct table *table)
{
	check(table->row_count < TABLE_ROWS_MAX);
	table->row_count++;
	table->column_count = 0;
}

void table_cell(struct table *table, const char *format, ...)
{
	va_list arguments;

	check(table->row_count > 0 && table->column_count < TABLE_COLUMNS_MAX);
	va_start(arguments, format);
	vsnprintf(table->cells[table->row_count - 1][table->column_count++], TABLE_CELL_SIZE, format,
		  arguments);
	va_end(arguments);
}

void table_series(struct table *table, const struct series *series, int digits)
{
	double median = series_median(series), spread = series_spread(series);

	if (series->count == 0)
		table_cell(table, "–");
	else if (spread < 0 || median <= 0)
		table_cell(table, "%.*f", digits, median);
	else
		table_cell(table, "%.*f ±%2.0f %%", digits, median, 100 * spread / median);
}

void table_ratio(struct table *table, const struct series *series, const struct series *base)
{
	double ratio = series_ratio(series, base);

	if (ratio > 0)
		table_cell(table, "%.2f", ratio);
	else
		table_cell(table, "–");
}

/* Characters, not bytes: a sign like the plus-minus has two. */
static uint32_t width_of(const char *text)
{
	uint32_t width = 0;

	for (; *text != 0; text++)
		width += (*text & 0xc0) != 0x80;
	return width;
}

static uint32_t column_width(const struct table *table, uint32_t column)
{
	uint32_t widest = 0;

	for (uint32_t row = 0; row < table->row_count; row++) {
		uint32_t width = width_of(table->cells[row][column]);
		if (width > widest)
			widest = width;
	}
	return widest;
}

void table_print(const struct table *table, FILE *out)
{
	for (uint32_t row = 0; row < table->row_count; row++) {
		for (uint32_t column = 0; column < TABLE_COLUMNS_MAX; column++) {
			const char *cell = table->cells[row][column];
			int gap = (int)(column_width(table, column) - width_of(cell));
			if (column == 0)
				fprintf(out, "%s%*s", cell, gap, "");
			else if (column_width(table, column) > 0)
				fprintf(out, "  %*s%s", gap, "", cell);
		}
		fputc('\n', out);
	}
}
