/* Every protocol that dialogues.c lists. */
#ifndef ENGINE_STARTTLS_DIALOGUES_H
#define ENGINE_STARTTLS_DIALOGUES_H

#include "engine/starttls/dialogue.h"

extern const struct dialogue dialogue_tls, dialogue_smtp, dialogue_lmtp, dialogue_imap,
    dialogue_pop3, dialogue_ftp, dialogue_ldap, dialogue_xmpp, dialogue_xmpp_server, dialogue_nntp,
    dialogue_sieve, dialogue_irc, dialogue_postgres, dialogue_mysql, dialogue_mssql, dialogue_rdp,
    dialogue_telnet, dialogue_vnc;

#endif
