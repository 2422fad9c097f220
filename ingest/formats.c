#include "ingest/format.h"

/* Lines recognize everything, so that a malformed target is told what is wrong with it. */
const struct format *const formats[] = {
    &format_json, &format_nmap, &format_masscan, &format_grepable, &format_csv, &format_lines, NULL,
};

const char *const source_formats[] = {
    "auto", "json", "nmap", "masscan", "grepable", "csv", "lines", NULL,
};

enum row_result format_line(struct input *input, struct row *row, struct slice *line,
                            struct failure *reason) {
    enum input_result result = input_line(input, line);
    if (result == INPUT_MORE)
        return ROW_MORE;
    if (result == INPUT_END)
        return ROW_END;
    *line = row->text = slice_trim(*line);
    row->line = input->number;
    if (result == INPUT_LINE)
        return ROW_GIVEN;
    failure_set(reason, ERROR_INPUT, "the line is too long");
    return ROW_BAD;
}
