/* Writes the sample records in a format to standard output:
 *
 *     tool_encode_records [--ct] FORMAT [FIELDS|- [COLUMNS [color]]]
 *
 * of probes or, with --ct, of entries of logs. For the checks, and to make the golden files anew
 * when a change of theirs is meant. */
#include "engine/record/encoder.h"
#include "tests/golden/sample_ct_records.h"

static void encode_probes(const struct encoding *encoding, struct buffer *out) {
    struct probe_record *records[SAMPLE_COUNT];

    sample_records_new(records);
    for (size_t i = 0; i < SAMPLE_COUNT; i++)
        encoding->encoder->encode(encoding, &records[i]->head, out);
    sample_records_put(records);
}

static void encode_entries(const struct encoding *encoding, struct buffer *out) {
    struct ct_record *records[SAMPLE_CT_COUNT];

    sample_ct_records_new(records);
    for (size_t i = 0; i < SAMPLE_CT_COUNT; i++)
        encoding->encoder->encode(encoding, &records[i]->head, out);
    sample_ct_records_put(records);
}

int main(int argc, char **argv) {
    bool ct = argc > 1 && strcmp(argv[1], "--ct") == 0;
    struct field_selection selection;
    struct failure failure;
    struct buffer out;

    argc -= ct;
    argv += ct;
    const char *fields = argc > 2 && strcmp(argv[2], "-") != 0 ? argv[2] : NULL;
    struct encoding encoding = {
        .encoder = argc > 1 ? encoder_by_name(slice_of(argv[1])) : NULL,
        .fields = &selection,
        .terminal_columns = (uint16_t)(argc > 3 ? atoi(argv[3]) : 0),
        .color = argc > 4,
    };
    if (!encoding.encoder) {
        fprintf(stderr, "usage: tool_encode_records [--ct] FORMAT [FIELDS|- [COLUMNS [color]]]\n");
        return 2;
    }
    if (field_selection_init(&selection, ct ? &ct_record_kind : &probe_record_kind, fields,
                             &failure)) {
        fprintf(stderr, "%s\n", failure.text);
        return 2;
    }
    buffer_init(&out);
    if (encoding.encoder->begin)
        encoding.encoder->begin(&encoding, &out);
    (ct ? encode_entries : encode_probes)(&encoding, &out);
    size_t written = fwrite(out.ptr, 1, out.len, stdout);
    bool ok = !out.failed && written == out.len && fflush(stdout) == 0;
    buffer_deinit(&out);
    field_selection_deinit(&selection);
    return ok ? 0 : 1;
}
