/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "xml.h"

#define BLANKS " \t\r\n"

static const struct {
        const char *name;
        char c;
} entities[] = { { "amp", '&' }, { "lt", '<' }, { "gt", '>' }, { "quot", '"' }, { "apos", '\'' } };

typedef struct Reader {
        XmlHandler handler;
        void *userdata;
        XmlText names[XML_DEPTH_MAX];
        size_t depth;
} Reader;

static bool text_is(const XmlText *text, const char *s, size_t n) {
        return text->n == n && memcmp(text->s, s, n) == 0;
}

bool xml_is_at(const XmlElement *element, const char *place) {
        for (size_t i = 0; i < element->depth; i++) {
                size_t n = strcspn(place, "/");

                if (!text_is(&element->names[i], place, n) || (place[n] == '/') != (i + 1 < element->depth))
                        return false;
                place += n + 1;
        }
        return element->depth > 0;
}

/* Takes the attribute at the beginning of 'rest' from there. Returns 1, 0 if there is none, or -EBADMSG. */
static int next_attribute(XmlText *rest, XmlText *ret_name, XmlText *ret_value) {
        const char *s = rest->s + strspn(rest->s, BLANKS), *end = rest->s + rest->n, *open, *close;
        size_t n = strcspn(s, BLANKS "=\"'<>/");

        if (s >= end)
                return 0;
        open = s + n + strspn(s + n, BLANKS);
        if (n == 0 || *open != '=')
                return -EBADMSG;
        open += 1 + strspn(open + 1, BLANKS);
        close = *open == '"' || *open == '\'' ? strchr(open + 1, *open) : NULL;
        if (!close || close >= end)
                return -EBADMSG;

        *ret_name = (XmlText) { s, n };
        *ret_value = (XmlText) { open + 1, (size_t) (close - open - 1) };
        *rest = (XmlText) { close + 1, (size_t) (end - close - 1) };
        return 1;
}

/* Writes a character as UTF-8, which is never longer than the reference to it. Returns what follows it, or
 * NULL. */
static char *put_character(char *p, unsigned long c) {
        if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
                return NULL;
        if (c < 0x80) {
                *p++ = (char) c;
                return p;
        }
        if (c >= 0x10000)
                *p++ = (char) (0xf0 | c >> 18);
        if (c >= 0x800)
                *p++ = (char) (c >= 0x10000 ? 0x80 | (c >> 12 & 0x3f) : 0xe0 | c >> 12);
        *p++ = (char) (c >= 0x800 ? 0x80 | (c >> 6 & 0x3f) : 0xc0 | c >> 6);
        *p++ = (char) (0x80 | (c & 0x3f));
        return p;
}

/* Writes what "&amp;" or "&#38;" stands for, given what is between '&' and ';'. Returns what follows it, or
 * NULL. */
static char *put_reference(char *p, const XmlText *name) {
        bool hexadecimal = name->n > 1 && name->s[1] == 'x';
        const char *digits = name->s + 1 + hexadecimal;
        char *end;
        unsigned long c;

        for (size_t i = 0; i < ELEMENTSOF(entities); i++)
                if (text_is(name, entities[i].name, strlen(entities[i].name))) {
                        *p++ = entities[i].c;
                        return p;
                }
        if (*name->s != '#' || strspn(digits, hexadecimal ? "0123456789abcdefABCDEF" : "0123456789") == 0)
                return NULL;
        c = strtoul(digits, &end, hexadecimal ? 16 : 10);
        return *end == ';' ? put_character(p, c) : NULL;
}

static int decode(const XmlText *text, char **ret) {
        _cleanup_free_ char *decoded = malloc(text->n + 1);
        const char *s = text->s, *end = text->s + text->n;
        char *p = decoded;

        if (!decoded)
                return -ENOMEM;
        while (s < end) {
                const char *semicolon = *s == '&' ? memchr(s, ';', (size_t) (end - s)) : NULL;

                if (*s != '&') {
                        *p++ = *s++;
                        continue;
                }
                p = semicolon ? put_reference(p, &(XmlText) { s + 1, (size_t) (semicolon - s - 1) }) : NULL;
                if (!p)
                        return -EBADMSG;
                s = semicolon + 1;
        }
        *p = 0;

        *ret = TAKE_PTR(decoded);
        return 0;
}

int xml_attribute(const XmlElement *element, const char *name, char **ret) {
        XmlText rest = element->attributes, found, value;
        int r;

        do
                r = next_attribute(&rest, &found, &value);
        while (r > 0 && !text_is(&found, name, strlen(name)));
        if (r > 0) {
                r = decode(&value, ret);
                return r < 0 ? r : 1;
        }
        if (r == 0)
                *ret = NULL;
        return r;
}

static int tell(Reader *reader, const XmlText *attributes) {
        XmlElement element = {
                .names = reader->names,
                .depth = reader->depth,
                .attributes = attributes ? *attributes : (XmlText) { "", 0 },
        };

        return reader->handler(&element, attributes != NULL, reader->userdata);
}

static int end_element(Reader *reader, const XmlText *name) {
        const XmlText *begun = reader->depth > 0 ? &reader->names[reader->depth - 1] : NULL;
        int r;

        if (!begun || !text_is(name, begun->s, begun->n))
                return -EBADMSG;
        r = tell(reader, NULL);
        reader->depth--;
        return r;
}

static int begin_element(Reader *reader, const XmlText *name, const XmlText *attributes, bool is_empty) {
        int r;

        if (reader->depth == XML_DEPTH_MAX)
                return -EBADMSG;
        reader->names[reader->depth++] = *name;
        r = tell(reader, attributes);
        return r < 0 || !is_empty ? r : end_element(reader, name);
}

/* Returns the '>' that ends a tag, which in quotes means nothing, or NULL. */
static const char *find_tag_end(const char *s) {
        while (*s && *s != '<' && *s != '>') {
                if (*s == '"' || *s == '\'')
                        s = strchr(s + 1, *s);
                if (!s)
                        return NULL;
                s++;
        }
        return *s == '>' ? s : NULL;
}

/* Deals with the tag that begins at 's'. Returns 0 with what follows it, or a negative errno. */
static int read_tag(Reader *reader, const char *s, const char **ret) {
        bool closes = s[1] == '/', is_empty;
        const char *end = find_tag_end(s + 1), *rest;
        XmlText name = { s + 1 + closes, strcspn(s + 1 + closes, BLANKS "=\"'/>") };

        if (!end || name.n == 0)
                return -EBADMSG;
        *ret = end + 1;
        if (closes)
                return end_element(reader, &name);

        rest = name.s + name.n;
        is_empty = end[-1] == '/';
        return begin_element(reader, &name, &(XmlText) { rest, (size_t) (end - is_empty - rest) }, is_empty);
}

/* Returns what follows the next 'end' in 's', or NULL. */
static const char *skip_past(const char *s, const char *end) {
        s = strstr(s, end);
        return s ? s + strlen(end) : NULL;
}

/* Deals with what begins with the '<' at 's'. Returns 0 with what follows it, or a negative errno. */
static int read_markup(Reader *reader, const char *s, const char **ret) {
        if (startswith(s, "<!--"))
                s = skip_past(s + strlen("<!--"), "-->");
        else if (startswith(s, "<![CDATA["))
                s = skip_past(s, "]]>");
        else if (startswith(s, "<?"))
                s = skip_past(s, "?>");
        else if (startswith(s, "<!"))
                s = NULL;
        else
                return read_tag(reader, s, ret);

        *ret = s;
        return s ? 0 : -EBADMSG;
}

int xml_read(const char *xml, XmlHandler handler, void *userdata) {
        Reader reader = { .handler = handler, .userdata = userdata };
        int r = 0;

        while (r >= 0 && (xml = strchr(xml, '<')))
                r = read_markup(&reader, xml, &xml);
        return r >= 0 && reader.depth > 0 ? -EBADMSG : r;
}

void xml_print(const char *value) {
        for (; *value; value++) {
                size_t i = 0;

                while (i < ELEMENTSOF(entities) && entities[i].c != *value)
                        i++;
                if (i < ELEMENTSOF(entities))
                        (void) printf("&%s;", entities[i].name);
                else if ((unsigned char) *value < ' ')
                        (void) printf("&#%d;", *value);
                else
                        (void) putchar(*value);
        }
}
