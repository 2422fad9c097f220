/* Building a watch list: reading entries one by one, then putting them in order and making the
 * tables. */
#include "engine/base/buffer.h"
#include "engine/base/cidr.h"
#include "engine/base/limits.h"
#include "engine/base/quote.h"
#include "engine/base/random.h"
#include "engine/match/watch_internal.h"

#include <stdlib.h>

enum {
    LABEL_BYTES_MAX = 63,  /* RFC 1035 section 2.3.4 */
    TEXT_BYTES_MAX = 1024, /* of an entry; Unicode takes up to four bytes a character */
    FILTER_BITS = 16,      /* a hash: one of 60 that are not there passes */
    FILTER_WORDS_MIN = 64,
    SLOTS_MIN = 64,
    ITEMS_FIRST = 1024,
};

struct watch_list_builder {
    struct watch_item *items;
    uint32_t count, capacity;
    struct buffer text; /* begins with WATCH_TEXT_SLACK bytes that no entry uses */
};

struct watch_list_builder *watch_list_builder_new(void) {
    struct watch_list_builder *builder = calloc(1, sizeof *builder);
    if (!builder)
        return NULL;
    static const uint8_t slack[WATCH_TEXT_SLACK];
    buffer_init(&builder->text);
    buffer_add(&builder->text, slack, sizeof slack);
    if (!builder->text.failed)
        return builder;
    watch_list_builder_free(builder);
    return NULL;
}

void watch_list_builder_free(struct watch_list_builder *builder) {
    if (!builder)
        return;
    buffer_deinit(&builder->text);
    free(builder->items);
    free(builder);
}

/* --- One entry --- */

/* An entry being read: its name as it will be matched, or the key of a block. */
struct draft {
    uint8_t name[NAMES_IDNA_BYTES];
    size_t len;
    uint8_t depth;
    bool exact;
};

static bool is_name_byte(uint8_t byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-' ||
           byte == '_';
}

static bool ends_in_number(const struct draft *draft) {
    size_t i = draft->len;
    while (i && draft->name[i - 1] >= '0' && draft->name[i - 1] <= '9')
        i--;
    return i < draft->len && (i == 0 || draft->name[i - 1] == '.');
}

static enum error check_labels(struct draft *draft, struct failure *failure) {
    size_t label = 0; /* where the label at hand starts */
    if (draft->len > LIMIT_HOST_NAME_BYTES)
        return failure_set(failure, ERROR_USAGE, "a name of more than %d bytes",
                           LIMIT_HOST_NAME_BYTES);
    for (size_t i = 0; i <= draft->len; i++) {
        uint8_t byte = i < draft->len ? draft->name[i] : '.';
        if (byte == '*')
            return failure_set(failure, ERROR_USAGE,
                               "a wildcard is only possible as \"*.\" in front, where it is not "
                               "needed");
        if (byte != '.' && !is_name_byte(byte))
            return failure_set(failure, ERROR_USAGE, "%s cannot be in a host name",
                               quote_of((struct slice){&draft->name[i], 1}).text);
        if (byte != '.')
            continue;
        if (i == label)
            return failure_set(failure, ERROR_USAGE, "an empty label");
        if (i - label > LABEL_BYTES_MAX)
            return failure_set(failure, ERROR_USAGE, "a label of more than %d bytes",
                               LABEL_BYTES_MAX);
        draft->depth++;
        label = i + 1;
    }
    if (ends_in_number(draft))
        return failure_set(failure, ERROR_USAGE, "neither a host name nor an address");
    if (draft->depth < 2)
        return failure_set(failure, ERROR_USAGE,
                           "a single label: an entry needs two at least, such as example.org");
    return ERROR_NONE;
}

static enum error read_name(struct slice text, struct draft *draft, struct failure *failure) {
    bool is_ascii = true;
    if (text.len >= 2 && text.ptr[0] == '*' && text.ptr[1] == '.') {
        if (draft->exact)
            return failure_set(failure, ERROR_USAGE, "\"=\" is for one name and no wildcard");
        text = slice_from(text, 2);
    }
    if (text.len && text.ptr[text.len - 1] == '.')
        text.len--;
    for (size_t i = 0; i < text.len; i++)
        is_ascii = is_ascii && text.ptr[i] < 0x80;
    if (is_ascii) {
        if (text.len)
            memcpy(draft->name, text.ptr, text.len);
        draft->len = text.len;
    } else {
        const char *why;
        draft->len = names_to_ascii(text, draft->name, &why);
        if (!draft->len)
            return failure_set(failure, ERROR_USAGE, "not an internationalized name (%s)", why);
    }
    for (size_t i = 0; i < draft->len; i++)
        if (draft->name[i] >= 'A' && draft->name[i] <= 'Z')
            draft->name[i] |= 0x20;
    return check_labels(draft, failure);
}

static bool is_address(struct slice text) {
    struct address address;
    return (text.len && memchr(text.ptr, '/', text.len)) || address_parse(text, &address);
}

static enum error read_block(struct slice text, struct draft *draft, struct failure *failure) {
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct cidr_block block;
    enum error error = cidr_parse(text, &block, failure);
    if (error)
        return error;
    size_t len = address_length(&block.first);
    uint32_t prefix = (uint32_t)len * 8;
    for (unsigned __int128 rest = block.last_offset; rest; rest >>= 1)
        prefix--;
    const uint8_t *bytes = block.first.bytes;
    if (len == 16 && prefix >= 96 && memcmp(bytes, mapped, sizeof mapped) == 0) {
        bytes += sizeof mapped;
        len = 4;
        prefix -= 96;
    }
    draft->len = watch_address_key(bytes, len, prefix, draft->name);
    return ERROR_NONE;
}

static enum error reserve_item(struct watch_list_builder *builder, struct failure *failure) {
    if (builder->count == WATCH_LIST_ENTRIES_MAX)
        return failure_set(failure, ERROR_LIMIT, "more than %d entries", WATCH_LIST_ENTRIES_MAX);
    if (builder->text.len > UINT32_MAX - NAMES_IDNA_BYTES - TEXT_BYTES_MAX)
        return failure_set(failure, ERROR_LIMIT, "more than 4 GB of entries");
    if (builder->count < builder->capacity)
        return ERROR_NONE;
    uint32_t capacity = builder->capacity ? builder->capacity * 2 : ITEMS_FIRST;
    struct watch_item *items = realloc(builder->items, capacity * sizeof *items);
    if (!items)
        return failure_set(failure, ERROR_MEMORY, "no memory for the entries");
    builder->items = items;
    builder->capacity = capacity;
    return ERROR_NONE;
}

static enum error keep(struct watch_list_builder *builder, const struct draft *draft,
                       struct slice text, uint32_t line, struct failure *failure) {
    enum error error = reserve_item(builder, failure);
    if (error)
        return error;
    struct watch_item item = {
        .name = (uint32_t)builder->text.len,
        .text = WATCH_SAME_TEXT,
        .line = line,
        .text_len = draft->exact ? WATCH_EXACT : 0,
        .len = (uint8_t)draft->len,
        .depth = draft->depth,
    };
    buffer_add(&builder->text, draft->name, draft->len);
    if (!slice_equal(text, (struct slice){draft->name, draft->len})) {
        item.text = (uint32_t)builder->text.len;
        item.text_len = (uint16_t)(item.text_len | text.len);
        buffer_add_slice(&builder->text, text);
    }
    if (builder->text.failed)
        return failure_set(failure, ERROR_MEMORY, "no memory for the entries");
    builder->items[builder->count++] = item;
    return ERROR_NONE;
}

enum error watch_list_builder_add(struct watch_list_builder *builder, struct slice text,
                                  uint32_t line, struct failure *failure) {
    struct draft draft = {.exact = text.len && text.ptr[0] == '='};
    struct slice name = draft.exact ? slice_from(text, 1) : text;
    enum error error;
    if (text.len > TEXT_BYTES_MAX)
        return failure_set(failure, ERROR_USAGE, "an entry of more than %d bytes", TEXT_BYTES_MAX);
    if (draft.exact && is_address(name))
        return failure_set(failure, ERROR_USAGE, "\"=\" is for names and not for addresses");
    error = is_address(name) ? read_block(name, &draft, failure) : read_name(name, &draft, failure);
    return error ? error : keep(builder, &draft, text, line, failure);
}

/* --- Order --- */

/* The bytes of two names from the right; then the order in which they came. */
static int compare_items(const void *a, const void *b, void *text) {
    const struct watch_item *left = a, *right = b;
    if (left->depth != right->depth)
        return left->depth - right->depth;
    const uint8_t *left_end = (uint8_t *)text + left->name + left->len;
    const uint8_t *right_end = (uint8_t *)text + right->name + right->len;
    size_t shorter = left->len < right->len ? left->len : right->len;
    for (size_t done = 0; done < shorter; done += 8) {
        /* Eight bytes that end here, the last of them highest; WATCH_TEXT_SLACK lets them be read
         * before the first name. */
        uint64_t left_word = names_load8(left_end - done - 8);
        uint64_t right_word = names_load8(right_end - done - 8);
        if (shorter - done < 8) {
            left_word >>= 64 - 8 * (shorter - done);
            right_word >>= 64 - 8 * (shorter - done);
        }
        if (left_word != right_word)
            return left_word < right_word ? -1 : 1;
    }
    if (left->len != right->len)
        return left->len - right->len;
    return left->name < right->name ? -1 : left->name > right->name;
}

static bool same_name(const uint8_t *text, const struct watch_item *a, const struct watch_item *b) {
    return a->depth == b->depth && a->len == b->len &&
           memcmp(text + a->name, text + b->name, a->len) == 0;
}

/* In order, each name once: its first entry, which covers what any of them covers. */
static void put_in_order(struct watch_list *list) {
    struct watch_item *items = list->entries;
    uint32_t kept = 0;
    if (!list->count)
        return;
    qsort_r(items, list->count, sizeof *items, compare_items, list->text);
    for (uint32_t i = 1; i < list->count; i++) {
        if (!same_name(list->text, &items[kept], &items[i]))
            items[++kept] = items[i];
        else if (!watch_is_exact(&items[i]))
            items[kept].text_len &= (uint16_t)~WATCH_EXACT;
    }
    list->count = kept + 1;
}

/* Where the entries of each depth begin, and which depths and prefixes there are. */
static void note_depths(struct watch_list *list) {
    uint32_t next = 0;
    for (uint32_t depth = 0; depth < WATCH_DEPTHS; depth++) {
        list->depth_start[depth] = next;
        while (next < list->count && list->entries[next].depth == depth)
            next++;
        if (next == list->depth_start[depth] || depth == 0)
            continue;
        list->depths[depth / 64] |= (uint64_t)1 << (depth % 64);
        list->depth_max = depth;
    }
    list->depth_start[WATCH_DEPTHS] = next;
    for (uint32_t i = 0; i < list->depth_start[1]; i++) {
        struct slice key = watch_name(list, i);
        if (key.ptr[0] == 4)
            list->prefixes_v4 |= (uint64_t)1 << key.ptr[1];
        else
            list->prefixes_v6[key.ptr[1] / 64] |= (uint64_t)1 << (key.ptr[1] % 64);
    }
}

/* --- Tables --- */

/* The name behind the first dot; empty for an address. */
static struct slice parent_of(const struct watch_list *list, uint32_t entry) {
    struct slice name = watch_name(list, entry);
    if (!list->entries[entry].depth)
        return (struct slice){NULL, 0};
    const uint8_t *dot = memchr(name.ptr, '.', name.len);
    return slice_from(name, (size_t)(dot - name.ptr) + 1);
}

/* Children of one parent lie together, because they are of one depth and in order. With `parents`
 * NULL they are only counted. */
static uint32_t find_parents(const struct watch_list *list, struct watch_parent *parents) {
    uint32_t count = 0;
    struct slice last = {NULL, 0};
    for (uint32_t i = list->depth_start[1]; i < list->count; i++) {
        struct slice parent = parent_of(list, i);
        if (last.ptr && slice_equal(parent, last)) {
            if (parents)
                parents[count - 1].count++;
            continue;
        }
        if (parents)
            parents[count] = (struct watch_parent){i, 1};
        last = parent;
        count++;
    }
    return count;
}

static uint64_t hash_name(const struct watch_list *list, struct slice name) {
    uint64_t hash = watch_hash_start(list);
    for (size_t end = name.len; end != SIZE_MAX;) {
        struct slice label = names_label_before(name, &end);
        hash = watch_hash_label(list, hash, label.ptr, label.len);
    }
    return hash;
}

static void insert(struct watch_list *list, uint64_t hash, uint32_t what) {
    uint32_t at = watch_slot_of(list, hash);
    while (list->slots[at].tag)
        at = (at + 1) & list->slot_mask;
    list->slots[at] = (struct watch_slot){watch_tag_of(hash), what};
    *watch_filter_word(list, hash) |= watch_filter_bits(hash);
}

static uint64_t power_of_two(uint64_t at_least, uint64_t first) {
    while (first < at_least)
        first *= 2;
    return first;
}

static bool make_tables(struct watch_list *list) {
    list->parent_count = find_parents(list, NULL);
    uint64_t hashes = (uint64_t)list->count + list->parent_count;
    uint64_t words = power_of_two(hashes * FILTER_BITS / 64, FILTER_WORDS_MIN);
    uint64_t slots = power_of_two(hashes * 2, SLOTS_MIN);
    list->parents = malloc((list->parent_count + 1) * sizeof *list->parents);
    list->filter = calloc(words, sizeof *list->filter);
    list->slots = calloc(slots, sizeof *list->slots);
    if (!list->parents || !list->filter || !list->slots)
        return false;
    list->filter_mask = words - 1;
    list->slot_mask = (uint32_t)(slots - 1);
    find_parents(list, list->parents);
    for (uint32_t i = 0; i < list->count; i++) {
        struct slice name = watch_name(list, i);
        uint64_t start = watch_hash_start(list);
        insert(list,
               list->entries[i].depth ? hash_name(list, name)
                                      : watch_hash_label(list, start, name.ptr, name.len),
               i);
    }
    for (uint32_t i = 0; i < list->parent_count; i++) {
        struct slice name = watch_parent_name(list, &list->parents[i]);
        insert(list, watch_hash_parent(list, hash_name(list, name)), i | WATCH_PARENT);
    }
    return true;
}

/* Shrinks what grew by doubling to the bytes that are used. */
static void give_back(void **memory, size_t used) {
    void *smaller = used ? realloc(*memory, used) : NULL;
    *memory = smaller ? smaller : *memory;
}

/* What the builder had becomes the list's. */
static bool take_all(struct watch_list *list, struct watch_list_builder *builder) {
    static const uint8_t slack[WATCH_TEXT_SLACK];
    buffer_add(&builder->text, slack, sizeof slack);
    if (builder->text.failed)
        return false;
    list->entries = builder->items;
    list->count = builder->count;
    list->text = builder->text.ptr;
    list->text_len = builder->text.len;
    give_back((void **)&list->entries, list->count * sizeof *list->entries);
    give_back((void **)&list->text, list->text_len);
    builder->items = NULL;
    buffer_init(&builder->text);
    return true;
}

struct watch_list *watch_list_builder_finish(struct watch_list_builder *builder) {
    struct watch_list *list = calloc(1, sizeof *list);
    bool good = list && take_all(list, builder);
    watch_list_builder_free(builder);
    if (!list)
        return NULL;
    list->references = 1;
    for (size_t i = 0; i < sizeof list->seed / sizeof *list->seed; i++)
        list->seed[i] = random_seed() | 1;
    if (good) {
        put_in_order(list);
        note_depths(list);
        good = make_tables(list);
    }
    if (good)
        return list;
    watch_list_put(list);
    return NULL;
}
