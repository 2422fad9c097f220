#include "engine/record/prometheus.h"

#include "engine/base/text.h"
#include "engine/record/dane_fields.h"
#include "engine/tls/session.h"

/* Writes samples: the same metric of every record, one after another, as the format wants it. */
struct exposition {
    bool with_ip;
    const struct prometheus_sight *sight; /* at hand, and its record */
    const struct probe_record *record;
    const char *name;
    struct buffer *out;
};

/* --- Labels --- */

/* Safe text, with what the format itself escapes; a newline cannot be in it. */
void prometheus_add_value(struct slice text, struct buffer *out) {
    struct buffer safe;

    buffer_init(&safe);
    text_add_safe(&safe, text);
    for (size_t i = 0; i < safe.len; i++) {
        if (safe.ptr[i] == '\\' || safe.ptr[i] == '"')
            buffer_add_byte(out, '\\');
        buffer_add_byte(out, safe.ptr[i]);
    }
    out->failed |= safe.failed;
    buffer_deinit(&safe);
}

static void add_label(const char *name, struct slice value, struct buffer *out) {
    buffer_add_format(out, "%s=\"", name);
    prometheus_add_value(value, out);
    buffer_add_byte(out, '"');
}

/* The name and the labels that every sample has; the brace stays open. */
static void begin_sample(const struct exposition *exposition) {
    const struct address *ip = &exposition->record->address;
    struct buffer *out = exposition->out;

    buffer_add_format(out, "%s{", exposition->name);
    add_label("target", exposition->sight->target, out);
    if (exposition->with_ip && ip->family != ADDRESS_NONE) {
        char address[ADDRESS_TEXT_MAX];
        size_t len = address_format(ip, address);
        buffer_add_byte(out, ',');
        add_label("ip", (struct slice){(const uint8_t *)address, len}, out);
    }
}

static void begin_label(const struct exposition *exposition, const char *name, struct slice value) {
    buffer_add_byte(exposition->out, ',');
    add_label(name, value, exposition->out);
}

static void end_sample(const struct exposition *exposition, double value) {
    buffer_add_format(exposition->out, "} %.17g\n", value);
}

static void sample(const struct exposition *exposition, double value) {
    begin_sample(exposition);
    end_sample(exposition, value);
}

/* --- Metrics: each writes the samples of one record, none where it knows nothing --- */

static void success(const struct exposition *e) {
    sample(e, e->record->outcome == OUTCOME_OK);
}

static void seconds(const struct exposition *e, int64_t us) {
    if (us >= 0)
        sample(e, (double)us / 1e6);
}

static void duration(const struct exposition *e) {
    seconds(e, e->record->timing.total_us);
}

static void dns_duration(const struct exposition *e) {
    seconds(e, e->record->timing.dns_us);
}

static void time_of(const struct exposition *e, bool known, int64_t unix_seconds) {
    if (known)
        sample(e, (double)unix_seconds);
}

static void earliest_expiry(const struct exposition *e) {
    time_of(e, e->record->has_certificate, e->record->earliest_not_after);
}

static void chain_expiry(const struct exposition *e) {
    time_of(e, e->record->has_trust && e->record->trust.chain_not_after,
            e->record->trust.chain_not_after);
}

static void add_names(const struct certificate_fields *certificate, struct buffer *out) {
    for (uint32_t i = 0; i < certificate->dns_names.count; i++) {
        if (i)
            buffer_add_byte(out, ',');
        buffer_add_slice(out, certificate->dns_names.items[i]);
    }
}

static void chain_info(const struct exposition *e) {
    const struct certificate_fields *certificate = &e->record->certificate;
    struct buffer text;

    if (!e->record->has_certificate)
        return;
    buffer_init(&text);
    begin_sample(e);
    text_add_hex(&text, (struct slice){certificate->fingerprint_sha256,
                                       sizeof certificate->fingerprint_sha256});
    begin_label(e, "fingerprint_sha256", buffer_slice(&text));
    begin_label(e, "subject", certificate->subject);
    begin_label(e, "issuer", certificate->issuer);
    text.len = 0;
    add_names(certificate, &text);
    begin_label(e, "subjectalternative", buffer_slice(&text));
    text.len = 0;
    text_add_hex(&text, certificate->serial);
    begin_label(e, "serialnumber", buffer_slice(&text));
    end_sample(e, 1);
    e->out->failed |= text.failed;
    buffer_deinit(&text);
}

static void info(const struct exposition *e, const char *label, const char *value) {
    if (!value)
        return;
    begin_sample(e);
    begin_label(e, label, slice_of(value));
    end_sample(e, 1);
}

static void version_info(const struct exposition *e) {
    info(e, "version", e->record->has_tls ? tls_version_name(e->record->tls.version) : NULL);
}

static void cipher_info(const struct exposition *e) {
    info(e, "cipher", e->record->has_tls ? tls_cipher_name(e->record->tls.cipher) : NULL);
}

static void outcome_info(const struct exposition *e) {
    info(e, "outcome", outcome_name(e->record->outcome));
}

static void verdict_state(const struct exposition *e) {
    for (enum status status = 0; status < STATUS_COUNT; status++) {
        begin_sample(e);
        begin_label(e, "status", slice_of(status_name(status)));
        end_sample(e, status == e->sight->verdict);
    }
}

static void findings(const struct exposition *e) {
    for (enum finding f = 0; f < FINDING_COUNT; f++)
        if (e->record->findings >> f & 1)
            info(e, "finding", finding_name(f));
}

static void not_before(const struct exposition *e) {
    time_of(e, e->record->has_certificate, e->record->certificate.not_before);
}

static void not_after(const struct exposition *e) {
    time_of(e, e->record->has_certificate, e->record->certificate.not_after);
}

static void key_bits(const struct exposition *e) {
    if (e->record->has_certificate && e->record->certificate.key_bits)
        sample(e, e->record->certificate.key_bits);
}

static void trusted(const struct exposition *e) {
    if (e->record->has_trust && e->record->trust.chain_checked)
        sample(e, e->record->trust.trusted);
}

static void name_matches(const struct exposition *e) {
    if (e->record->has_trust && e->record->trust.name_checked)
        sample(e, e->record->trust.name_matches);
}

static void dane_info(const struct exposition *e) {
    const struct dane_fields *dane = e->record->dane;

    if (dane)
        info(e, "status", dane_status_name(dane->status));
}

static const struct metric {
    const char *name, *help;
    void (*write)(const struct exposition *exposition);
} metrics[] = {
    {"probe_success", "Whether the probe came to its end: a certificate and a whole handshake.",
     success},
    {"probe_duration_seconds", "How long the probe took.", duration},
    {"probe_dns_lookup_time_seconds", "How long the name took to resolve.", dns_duration},
    {"probe_ssl_earliest_cert_expiry", "Earliest end of all certificates sent, in unixtime.",
     earliest_expiry},
    {"probe_ssl_last_chain_expiry_timestamp_seconds",
     "Earliest end on the verified path, in unixtime; absent where the chain is not trusted.",
     chain_expiry},
    {"probe_ssl_last_chain_info", "The server's certificate.", chain_info},
    {"probe_tls_version_info", "The TLS version that was used.", version_info},
    {"probe_tls_cipher_info", "The cipher suite that was used.", cipher_info},
    {"trawl_check_status", "1 for the verdict, 0 for all others.", verdict_state},
    {"trawl_outcome_info", "How the probe ended.", outcome_info},
    {"trawl_finding", "1 for everything that is wrong or odd.", findings},
    {"trawl_certificate_not_before_timestamp_seconds",
     "First second of the server's certificate, in unixtime.", not_before},
    {"trawl_certificate_not_after_timestamp_seconds",
     "Last second of the server's certificate, in unixtime.", not_after},
    {"trawl_certificate_key_bits", "Size of the certificate's key.", key_bits},
    {"trawl_certificate_trusted", "Whether a path leads to a trusted root.", trusted},
    {"trawl_certificate_name_matches",
     "Whether the certificate is for the name that was asked for.", name_matches},
    {"trawl_dane_info", "What the name's TLSA records say of the certificate.", dane_info},
};

void prometheus_add(const struct prometheus_sight *sights, uint32_t count, struct buffer *out) {
    struct exposition exposition = {.with_ip = count > 1, .out = out};

    for (size_t i = 0; i < sizeof metrics / sizeof metrics[0]; i++) {
        const struct metric *metric = &metrics[i];
        size_t start = out->len;
        buffer_add_format(out, "# HELP %s %s\n# TYPE %s gauge\n", metric->name, metric->help,
                          metric->name);
        size_t head = out->len;
        exposition.name = metric->name;
        for (uint32_t k = 0; k < count; k++) {
            exposition.sight = &sights[k];
            exposition.record = sights[k].record;
            metric->write(&exposition);
        }
        if (out->len == head)
            out->len = start; /* no samples, no head */
    }
}
