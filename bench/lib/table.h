/* bench/lib/table.h - readings and what is said about them, and rows of text in columns.
 *
 * Owner: the program. Values only, one thread.
 * A series is one quantity over the rounds: its median, and as spread half the distance between the
 * second and the fourth of five readings (in general between the quartiles).
 */
#ifndef BENCH_LIB_TABLE_H
#define BENCH_LIB_TABLE_H

#include <jansson.h>
#include <stdio.h>

#include "core/base.h"

enum { SERIES_MAX = 64, TABLE_COLUMNS_MAX = 16, TABLE_CELL_SIZE = 32, TABLE_ROWS_MAX = 256 };

struct series {
	double readings[SERIES_MAX];
	uint32_t count;
};

void series_add(struct series *series, double reading);
/* 0 when there is none. */
double series_median(const struct series *series);
/* Negative with fewer than three readings. */
double series_spread(const struct series *series);
/* The median of the quotients, reading by reading: what disturbs both disturbs it least. */
double series_ratio(const struct series *series, const struct series *base);
/* {"median", "spread" (absent below three), "readings"}. */
json_t *series_json(const struct series *series);
/* series_ratio(), null where there is none. */
json_t *ratio_json(const struct series *series, const struct series *base);

struct table {
	uint32_t column_count, row_count;
	char cells[TABLE_ROWS_MAX][TABLE_COLUMNS_MAX][TABLE_CELL_SIZE];
};

/* With a first row of headings; to be freed. */
struct table *table_create(const char *const *headings, size_t count);
/* The first column is left-aligned, the others to the right. */
void table_begin(struct table *table);
void table_cell(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The median with its spread in percent. */
void table_series(struct table *table, const struct series *series, int digits);
void table_ratio(struct table *table, const struct series *series, const struct series *base);
void table_print(const struct table *table, FILE *out);

#endif
