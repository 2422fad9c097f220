#include "engine/starttls/dialogues.h"

const struct dialogue dialogue_tls = {
    .name = "tls",
    .summary = "TLS from the first byte",
    .port = 443,
    .aliases = {{"https", 443},
                {"smtps", 465},
                {"submissions", 465},
                {"imaps", 993},
                {"pop3s", 995},
                {"ldaps", 636},
                {"ftps", 990},
                {"nntps", 563},
                {"ircs", 6697}},
};

const struct dialogue *const dialogues[] = {
    &dialogue_tls,   &dialogue_smtp,   &dialogue_lmtp,     &dialogue_imap,        &dialogue_pop3,
    &dialogue_ftp,   &dialogue_ldap,   &dialogue_xmpp,     &dialogue_xmpp_server, &dialogue_nntp,
    &dialogue_sieve, &dialogue_irc,    &dialogue_postgres, &dialogue_mysql,       &dialogue_mssql,
    &dialogue_rdp,   &dialogue_telnet, &dialogue_vnc,
};

const uint32_t dialogue_count = sizeof dialogues / sizeof dialogues[0];
