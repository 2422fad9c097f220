/* A reader for the XML that tools write: tags and attributes as events, text skipped. It works in a
 * fixed amount of memory, whatever the document does; general libraries keep every name and the
 * whole of a tag that is half read. Nothing in a document can expand or be fetched: it has no
 * entities but the five of XML and characters by number, and a DOCTYPE may declare nothing.
 *
 * It checks what a broken file gets wrong (tags that do not match, quotes, one root element, an
 * end), not all that makes a document well-formed: characters and repeated attributes pass. UTF-8,
 * or any encoding that contains ASCII. Pure, one owner, one thread. */
#ifndef INGEST_XML_H
#define INGEST_XML_H

#include "engine/base/slice.h"

enum {
    XML_DEPTH_MAX = 64,  /* nmap nests nine deep, in the tables of scripts */
    XML_NAME_MAX = 32,   /* what is kept of a name */
    XML_VALUE_MAX = 512, /* what is kept of a value: a host name fits, the output of a script not */
};

enum xml_event {
    XML_START,     /* `element` begins; its attributes follow */
    XML_ATTRIBUTE, /* `attribute` and `value` of `element` */
    XML_END,       /* `element` ends, also of <a/> */
    XML_MORE,      /* all bytes are taken */
    XML_BROKEN,    /* `reason` says why; there is no way on */
};

struct xml_name {
    uint8_t bytes[XML_NAME_MAX];
    size_t len;    /* of all of it; it may be longer than what is kept */
    uint64_t hash; /* of all of it */
};

enum xml_state {
    XML_IN_TEXT,
    XML_AFTER_LESS,      /* < */
    XML_AFTER_MARK,      /* <! */
    XML_IN_COMMENT,      /* <!-- */
    XML_IN_CDATA,        /* <![CDATA[ */
    XML_IN_DOCTYPE,      /* <!DOCTYPE */
    XML_IN_INSTRUCTION,  /* <? */
    XML_IN_START_NAME,   /* <a */
    XML_IN_END_NAME,     /* </a */
    XML_AFTER_END_NAME,  /* </a and a blank */
    XML_IN_TAG,          /* <a and a blank */
    XML_AFTER_SLASH,     /* <a / */
    XML_IN_ATTRIBUTE,    /* <a b */
    XML_AFTER_ATTRIBUTE, /* <a b and a blank */
    XML_BEFORE_VALUE,    /* <a b= */
    XML_IN_VALUE,        /* <a b=" */
    XML_AFTER_VALUE,     /* <a b="c" */
};

struct xml {
    enum xml_state state;
    uint8_t quote;    /* that ends the value or the part of the DOCTYPE at hand; 0: none */
    uint32_t matched; /* how much of the mark that begins or ends a comment and the like was seen */
    uint8_t mark[8];  /* what follows <! */
    uint32_t depth;
    bool had_root;
    struct xml_name element, attribute;
    uint8_t value_bytes[XML_VALUE_MAX];
    size_t value_len;   /* of all of it, as written */
    struct slice value; /* what it means; of a longer one than is kept the beginning, as written */
    uint64_t open[XML_DEPTH_MAX]; /* hashes of the names of the elements that are open */
    const char *reason;
};

/* The next event; takes bytes off the front of `bytes`. `xml` begins zeroed. */
enum xml_event xml_next(struct xml *xml, struct slice *bytes);

/* Why the document cannot end here; NULL when it can. */
const char *xml_unfinished(const struct xml *xml);

bool xml_name_is(const struct xml_name *name, const char *text);

#endif
