#include <stdarg.h>
#include <stdio.h>

#include "node/node.h"

void tr_node_log(struct troupe_node *node, int32_t level, const char *format, ...)
{
    char text[1024];
    va_list arguments;

    if (node->config.log == NULL) {
        return;
    }
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    tr_mutex_lock(&node->log_mutex);
    node->config.log(node->config.log_context, level, node->name, text);
    tr_mutex_unlock(&node->log_mutex);
}

void tr_node_log_text(void *node, int level, const char *text)
{
    tr_node_log(node, level, "%s", text);
}
