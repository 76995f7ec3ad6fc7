/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "hostdev.h"

#define BLANKS " \t\r\n"

/* Longer ones stand in none of the attributes that count here. */
#define VALUE_MAX 32

typedef struct Tag {
        const char *name, *attributes, *end; /* of the text of the tag */
        size_t name_length;
        bool closes, is_empty;
} Tag;

typedef struct Scanner {
        unsigned depth;   /* how many elements are open */
        unsigned matched; /* how many of them, from the outermost on, lead to what is looked for */
        bool managed;
        Hostdev *found;
        size_t n;
} Scanner;

void hostdevs_free(Hostdev *hostdevs) {
        for (Hostdev *h = hostdevs; h && h->address; h++)
                free(h->address);
        free(hostdevs);
}

/* Returns what follows the next 'end' in 's', or NULL. */
static const char *skip_past(const char *s, const char *end) {
        s = strstr(s, end);
        return s ? s + strlen(end) : NULL;
}

/* Returns the '>' that ends a tag, which in quotes means nothing, or NULL. */
static const char *find_tag_end(const char *s) {
        while (*s && *s != '>') {
                if (*s == '"' || *s == '\'')
                        s = strchr(s + 1, *s);
                if (!s)
                        return NULL;
                s++;
        }
        return *s ? s : NULL;
}

/* Reads the tag that begins at 's'. Returns what follows it, or NULL. */
static const char *read_tag(const char *s, Tag *ret) {
        const char *end = find_tag_end(s);
        Tag tag = { .closes = s[1] == '/' };

        if (!end)
                return NULL;

        tag.name = s + 1 + tag.closes;
        tag.name_length = strcspn(tag.name, BLANKS "/>");
        tag.attributes = tag.name + tag.name_length;
        tag.is_empty = !tag.closes && end[-1] == '/';
        tag.end = end - tag.is_empty;
        if (tag.name_length == 0)
                return NULL;

        *ret = tag;
        return end + 1;
}

static bool is_called(const Tag *tag, const char *name) {
        return strlen(name) == tag->name_length && strncmp(tag->name, name, tag->name_length) == 0;
}

/* Copies the value of an attribute. Returns whether there is one that fits. */
static bool get_attribute(const Tag *tag, const char *name, char value[static VALUE_MAX]) {
        const char *p = tag->attributes, *end;
        size_t n;

        for (;; p = end + 1) {
                p += strspn(p, BLANKS);
                n = strcspn(p, BLANKS "='\">/");
                end = p + n + strspn(p + n, BLANKS);
                if (p >= tag->end || *end != '=')
                        return false;
                end += 1 + strspn(end + 1, BLANKS);
                if ((*end != '"' && *end != '\'') || !strchr(end + 1, *end))
                        return false;

                if (strlen(name) == n && strncmp(p, name, n) == 0)
                        break;
                end = strchr(end + 1, *end);
        }

        n = (size_t) (strchr(end + 1, *end) - end - 1);
        if (n >= VALUE_MAX)
                return false;
        *(char *) mempcpy(value, end + 1, n) = 0;
        return true;
}

static bool attribute_is(const Tag *tag, const char *name, const char *expected) {
        char value[VALUE_MAX];

        return get_attribute(tag, name, value) && streq(value, expected);
}

/* Reads an attribute as libvirt does: hexadecimal with 0x before it, else decimal. */
static int get_number(const Tag *tag, const char *name, unsigned long max, unsigned long *ret) {
        char value[VALUE_MAX], *end;

        if (!get_attribute(tag, name, value) || strspn(value, "0123456789abcdefABCDEFx") != strlen(value))
                return -EBADMSG;
        errno = 0;
        *ret = strtoul(value, &end, 0);
        return errno || end == value || *end || *ret > max ? -EBADMSG : 0;
}

static int get_address(const Tag *tag, char **ret) {
        unsigned long domain = 0, bus, slot, function;
        char value[VALUE_MAX];
        int r;

        r = get_attribute(tag, "domain", value) ? get_number(tag, "domain", UINT32_MAX, &domain) : 0;
        if (r >= 0)
                r = get_number(tag, "bus", 0xff, &bus);
        if (r >= 0)
                r = get_number(tag, "slot", 0x1f, &slot);
        if (r >= 0)
                r = get_number(tag, "function", 7, &function);
        if (r < 0)
                return r;
        return asprintf(ret, "%04lx:%02lx:%02lx.%lx", domain, bus, slot, function) < 0 ? -ENOMEM : 0;
}

static int add_address(Scanner *scanner, const Tag *tag) {
        char *address = NULL;
        Hostdev *grown;
        int r;

        r = get_address(tag, &address);
        if (r < 0)
                return r;

        grown = reallocarray(scanner->found, scanner->n + 2, sizeof(Hostdev));
        if (!grown) {
                free(address);
                return -ENOMEM;
        }
        scanner->found = grown;
        grown[scanner->n++] = (Hostdev) { .address = address, .managed = scanner->managed };
        grown[scanner->n] = (Hostdev) { 0 };
        return 0;
}

/* Returns 1 if the element is the next one on the way to an address of the host, and 0 if not. */
static int match_element(Scanner *scanner, const Tag *tag) {
        switch (scanner->matched) {
        case 0:
                return is_called(tag, "domain");
        case 1:
                return is_called(tag, "devices");
        case 2:
                scanner->managed = attribute_is(tag, "managed", "yes");
                return (is_called(tag, "hostdev") && attribute_is(tag, "type", "pci")) ||
                        (is_called(tag, "interface") && attribute_is(tag, "type", "hostdev"));
        case 3:
                return is_called(tag, "source");
        case 4:
                /* A network function can also be one on another bus, and then says so. */
                return is_called(tag, "address") && !attribute_is(tag, "type", "usb") ? add_address(scanner, tag) : 0;
        default:
                return 0;
        }
}

/* Around the domain in the file that libvirt keeps while it runs. */
static bool is_wrapper(const Scanner *scanner, const Tag *tag) {
        return scanner->depth == 0 && is_called(tag, "domstatus");
}

static int enter_element(Scanner *scanner, const Tag *tag) {
        int r = 0;

        if (is_wrapper(scanner, tag))
                return 0;
        if (scanner->matched == scanner->depth)
                r = match_element(scanner, tag);
        if (r < 0)
                return r;
        if (!tag->is_empty) {
                scanner->depth++;
                scanner->matched += r > 0;
        }
        return 0;
}

static int leave_element(Scanner *scanner, const Tag *tag) {
        if (is_wrapper(scanner, tag))
                return 0;
        if (scanner->depth == 0)
                return -EBADMSG;
        scanner->depth--;
        if (scanner->matched > scanner->depth)
                scanner->matched = scanner->depth;
        return 0;
}

/* Deals with what begins with the '<' at 's'. Returns 0 with what follows it, or a negative errno. */
static int scan_markup(Scanner *scanner, const char *s, const char **ret) {
        Tag tag;
        int r = 0;

        if (startswith(s, "<!--"))
                s = skip_past(s + strlen("<!--"), "-->");
        else if (startswith(s, "<![CDATA["))
                s = skip_past(s, "]]>");
        else if (startswith(s, "<?"))
                s = skip_past(s, "?>");
        else if (startswith(s, "<!"))
                s = NULL;
        else if ((s = read_tag(s, &tag)))
                r = tag.closes ? leave_element(scanner, &tag) : enter_element(scanner, &tag);

        *ret = s;
        return s ? r : -EBADMSG;
}

int hostdevs_parse(const char *xml, Hostdev **ret) {
        Scanner scanner = { .found = calloc(1, sizeof(Hostdev)) };
        int r = scanner.found ? 0 : -ENOMEM;

        while (r >= 0 && (xml = strchr(xml, '<')))
                r = scan_markup(&scanner, xml, &xml);
        if (r >= 0 && scanner.depth > 0)
                r = -EBADMSG;
        if (r < 0) {
                hostdevs_free(scanner.found);
                return r;
        }

        *ret = scanner.found;
        return 0;
}
