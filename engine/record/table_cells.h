/* What the tables for the terminal are made of (table.c, table_ct.c): cells of a fixed width with
 * safe text, cut with an ellipsis where it does not fit. */
#ifndef ENGINE_RECORD_TABLE_CELLS_H
#define ENGINE_RECORD_TABLE_CELLS_H

#include "engine/record/encoder.h"

struct ct_record;

enum {
    GAP_COLUMNS = 2, /* between cells */
    NARROWEST = 60,  /* a narrower terminal gets a table of this width */
};

#define BOLD   "\033[1m"
#define DIM    "\033[2m"
#define RED    "\033[31m"
#define GREEN  "\033[32m"
#define YELLOW "\033[33m"
#define RESET  "\033[0m"

size_t table_at_most(size_t columns, size_t most);

void table_add_spaces(size_t count, struct buffer *out);

/* Nothing where there are no colours. */
void table_add_color(const struct encoding *encoding, const char *color, struct buffer *out);

/* Cuts the safe text that was written from `start` on to so many columns; returns how many it
 * takes. */
size_t table_fit(struct buffer *out, size_t start, size_t columns);

/* Text, and blanks up to the next cell. */
void table_add_cell(struct slice text, size_t columns, struct buffer *out);

/* The first of `names`, or `other` when there is none, and how many more there are. */
void table_add_names_cell(struct slice_list names, struct slice other, size_t columns,
                          struct buffer *out);

/* The first that is not empty. */
struct slice table_first_of(struct slice a, struct slice b, struct slice c);

/* Without the blanks at its end. */
void table_end_line(struct buffer *out);

/* --- Entries of logs: table_ct.c --- */

void table_ct_begin(const struct encoding *encoding, struct buffer *out);
void table_ct_line(const struct encoding *encoding, const struct ct_record *record,
                   struct buffer *out);

#endif
