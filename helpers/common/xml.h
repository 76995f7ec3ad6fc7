/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

/* XML as libvirt writes it to its files, element by element. Text between tags is passed over, a document
 * type is refused, and nothing but the memory that is given is looked at. */

/* Elements within elements; the libraries that others read XML with stop at the same depth. */
#define XML_DEPTH_MAX 256

/* A part of the XML. */
typedef struct XmlText {
        const char *s;
        size_t n;
} XmlText;

typedef struct XmlElement {
        const XmlText *names; /* of the elements that it is in, from the outermost on, and its own */
        size_t depth;         /* how many these are */
        XmlText attributes;   /* nothing, where it ends */
} XmlElement;

/* Told where each element begins and where it ends. Returns 0 to go on, or a negative errno. */
typedef int (*XmlHandler)(const XmlElement *element, bool begins, void *userdata);

/* Reads the XML from the beginning to the end. Returns 0, -EBADMSG for what is none, or what the handler
 * gave. */
int xml_read(const char *xml, XmlHandler handler, void *userdata);

/* Returns whether the element is in that place, counted from the outermost one: "domain/devices/hostdev". */
bool xml_is_at(const XmlElement *element, const char *place);

/* Writes the value of an attribute, without the quotes, which are to be single ones, to standard output. */
void xml_print(const char *value);

/* Reads an attribute of an element that begins. Returns 1 with its value, to be freed; 0 with NULL if there
 * is none; -EBADMSG, or -ENOMEM. */
int xml_attribute(const XmlElement *element, const char *name, char **ret);
