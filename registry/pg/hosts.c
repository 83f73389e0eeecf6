#include "pg/hosts.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "base/check.h"

void reg_hosts_fini(struct reg_hosts *hosts)
{
    free(hosts->names);
    free(hosts->ports);
    hosts->names = NULL;
    hosts->ports = NULL;
    hosts->count = 0;
}

static const char *value_of(const PQconninfoOption *options, const char *keyword)
{
    for (const PQconninfoOption *option = options; option != NULL && option->keyword != NULL;
         option++) {
        if (strcmp(option->keyword, keyword) == 0) {
            return option->val != NULL && option->val[0] != '\0' ? option->val : NULL;
        }
    }
    return NULL;
}

/* A folder, an abstract socket, or an address in digits. */
static bool needs_no_lookup(const char *name)
{
    unsigned char bytes[sizeof(struct in6_addr)];

    return name[0] == '\0' || name[0] == '/' || name[0] == '@' ||
           inet_pton(AF_INET, name, bytes) == 1 || strchr(name, ':') != NULL;
}

/* Cuts the next item off a comma list. */
static char *next_item(char **list)
{
    char *item = *list;
    char *comma = item == NULL ? NULL : strchr(item, ',');

    if (comma != NULL) {
        *comma = '\0';
        *list = comma + 1;
    } else {
        *list = NULL;
    }
    return item;
}

/* False when there are too many: then libpq is left alone. */
static bool fill(struct reg_hosts *hosts)
{
    const bool one_port = strchr(hosts->ports, ',') == NULL;
    char *names = hosts->names;
    char *ports = hosts->ports;
    const char *name = next_item(&names);

    while (name != NULL && hosts->count < REG_HOSTS_MAX) {
        const char *port = one_port ? hosts->ports : next_item(&ports);

        hosts->hosts[hosts->count++] = (struct reg_host){
            .name = name,
            .port = port == NULL ? "" : port,
            .known = needs_no_lookup(name),
            .is_name = !needs_no_lookup(name),
        };
        name = next_item(&names);
    }
    return name == NULL;
}

troupe_status reg_hosts_read(struct reg_hosts *hosts, const char *conninfo)
{
    PQconninfoOption *defaults = PQconndefaults();
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL); /* NULL for a database's name */
    const char *names = value_of(options, "host");
    const char *ports = value_of(options, "port");
    const bool has_addresses = value_of(options, "hostaddr") != NULL ||
                               value_of(defaults, "hostaddr") != NULL ||
                               value_of(options, "service") != NULL;
    troupe_status status = defaults == NULL ? TROUPE_E_NO_MEMORY : TROUPE_OK;

    memset(hosts, 0, sizeof(*hosts));
    names = names == NULL ? value_of(defaults, "host") : names;
    ports = ports == NULL ? value_of(defaults, "port") : ports;
    if (status == TROUPE_OK && names != NULL && !has_addresses) {
        hosts->names = strdup(names);
        hosts->ports = strdup(ports == NULL ? "" : ports);
        if (hosts->names == NULL || hosts->ports == NULL) {
            reg_hosts_fini(hosts);
            status = TROUPE_E_NO_MEMORY;
        } else if (!fill(hosts)) {
            reg_hosts_fini(hosts);
        }
    }
    if (hosts->count == 1 && !hosts->hosts[0].is_name) {
        reg_hosts_fini(hosts);
    }
    PQconninfoFree(options);
    PQconninfoFree(defaults);
    return status;
}

static const struct reg_host *find_unknown(const struct reg_hosts *hosts)
{
    for (size_t index = 0; index < hosts->count; index++) {
        if (!hosts->hosts[index].known) {
            return &hosts->hosts[index];
        }
    }
    return NULL;
}

const char *reg_hosts_unknown(const struct reg_hosts *hosts)
{
    const struct reg_host *host = find_unknown(hosts);

    return host == NULL ? NULL : host->name;
}

void reg_hosts_found(struct reg_hosts *hosts, const struct tr_address *addresses, size_t count)
{
    const struct reg_host *unknown = find_unknown(hosts);
    struct reg_host *host = NULL;

    TR_CHECK(unknown != NULL);
    host = &hosts->hosts[unknown - hosts->hosts];
    host->known = true;
    for (size_t index = 0; index < count && index < TR_ADDRESSES_MAX; index++) {
        host->addresses[index] = addresses[index];
        host->address_count++;
    }
}

/* ---- the lists ---- */

struct text {
    char *bytes;
    size_t size;
    bool failed;
    bool any;
};

static void append(struct text *text, const char *item)
{
    const size_t length = strlen(item);
    char *bytes = realloc(text->bytes, text->size + length + 2);

    if (bytes == NULL) {
        text->failed = true;
        return;
    }
    text->bytes = bytes;
    if (text->any) {
        text->bytes[text->size++] = ',';
    }
    memcpy(text->bytes + text->size, item, length + 1);
    text->size += length;
    text->any = true;
}

void reg_host_lists_fini(struct reg_host_lists *lists)
{
    free(lists->host);
    free(lists->hostaddr);
    free(lists->port);
    *lists = (struct reg_host_lists){0};
}

/* How often a host stands in the lists. */
static size_t times_of(const struct reg_host *host)
{
    return host->is_name ? host->address_count : 1;
}

/* Appends the entry at this place of all. */
static void append_entry(const struct reg_hosts *hosts, size_t place, struct text texts[3])
{
    const struct reg_host *host = hosts->hosts;

    while (place >= times_of(host)) {
        place -= times_of(host);
        host++;
    }
    append(&texts[0], host->name);
    append(&texts[1], host->is_name ? host->addresses[place].text : "");
    append(&texts[2], host->port);
}

troupe_status reg_hosts_format(const struct reg_hosts *hosts, size_t tries,
                               struct reg_host_lists *out)
{
    struct text texts[3] = {{0}};
    size_t total = 0;

    for (size_t index = 0; index < hosts->count; index++) {
        total += times_of(&hosts->hosts[index]);
    }
    for (size_t index = 0; index < total; index++) {
        append_entry(hosts, (index + tries) % total, texts);
    }
    *out = (struct reg_host_lists){texts[0].bytes, texts[1].bytes, texts[2].bytes};
    if (texts[0].failed || texts[1].failed || texts[2].failed) {
        reg_host_lists_fini(out);
        return TROUPE_E_NO_MEMORY;
    }
    return hosts->count > 0 && total == 0 ? TROUPE_E_NOT_FOUND : TROUPE_OK;
}
