-- The tables of certwatch, as `trawl watch` reads and writes them. Safe to run again, and over
-- tables that certwatch itself has made: what is there stays, what is missing is added.
--
--     psql "$POSTGRES_DSN" -f tools/certwatch.sql

-- The names to watch: filled by whoever knows them. May be a view.
CREATE TABLE IF NOT EXISTS public.intent_current (
    fqdn text PRIMARY KEY
);

-- The certificates that are known to be ours: filled by whoever issues them. not_before and
-- not_after are seconds since 1970; fingerprints, serial numbers and hashes are hexadecimal.
CREATE TABLE IF NOT EXISTS public.certs (
    fingerprint_sha1 text PRIMARY KEY,
    serial           text,
    sans             jsonb,
    not_before       bigint,
    not_after        bigint,
    source           text,
    added_at         timestamptz DEFAULT now()
);

-- SHA-256 of the RFC 6962 TBS, the same for a precertificate and its certificate: `trawl check
-- file:cert.pem --as json` shows it. Without it, precertificates are known by serial and validity.
ALTER TABLE public.certs ADD COLUMN IF NOT EXISTS tbs_sha256 text;
CREATE INDEX IF NOT EXISTS certs_tbs_sha256 ON public.certs (lower(tbs_sha256));
CREATE INDEX IF NOT EXISTS certs_serial
    ON public.certs (ltrim(lower(replace(serial::text, ':', '')), '0'));

-- What was found; the only table that is written. One row an issuance.
CREATE TABLE IF NOT EXISTS public.alerts (
    id          bigserial PRIMARY KEY,
    fingerprint text NOT NULL,
    sans        jsonb,
    matched     jsonb,
    issuer      text,
    seen_at     bigint NOT NULL,
    delivered   boolean NOT NULL DEFAULT false,
    severity    text NOT NULL DEFAULT 'suspicious'
);
ALTER TABLE public.alerts ADD COLUMN IF NOT EXISTS tbs_sha256 text;
CREATE INDEX IF NOT EXISTS alerts_fingerprint ON public.alerts (fingerprint);
CREATE INDEX IF NOT EXISTS alerts_tbs_sha256 ON public.alerts (tbs_sha256);
CREATE INDEX IF NOT EXISTS alerts_seen_at ON public.alerts (seen_at);
