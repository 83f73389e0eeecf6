/* greeter.c - a module of one behavior, loaded by nodes: it greets, and counts how often it has. */
#include <stdio.h>
#include <troupe/troupe.h>

/* The state, which a durable greeter finds again on another node. */
typedef struct greeter {
    uint64_t greeted;
} greeter;
TROUPE_TYPE(greeter, "example.greeter", TROUPE_FIELD(greeter, greeted, 1));

typedef struct greet {
    const char *name;
} greet;
TROUPE_TYPE(greet, "example.greet", TROUPE_FIELD(greet, name, 1));

typedef struct greeting {
    const char *text;
    uint64_t greeted;
} greeting;
TROUPE_TYPE(greeting, "example.greeting", TROUPE_FIELD(greeting, text, 1),
            TROUPE_FIELD(greeting, greeted, 2));

static int on_greet(troupe_self *self, void *state, const void *message)
{
    greeter *g = state;
    const greet *request = message;
    char text[128];
    g->greeted++;
    (void)snprintf(text, sizeof(text), "Hello, %.100s",
                   request->name == NULL ? "whoever you are" : request->name);
    const greeting reply = {.text = text, .greeted = g->greeted};
    return troupe_reply(self, &greeting_type, &reply);
}

static const troupe_handler handlers[] = {{&greet_type, on_greet}, {0}};
static const troupe_behavior behavior = {
    .name = "example.greeter", .version = 1, .state = &greeter_type, .handlers = handlers};

static const troupe_type *const types[] = {&greeting_type, NULL};
static const troupe_behavior *const behaviors[] = {&behavior, NULL};

TROUPE_API const troupe_module troupe_module_entry = {
    .abi = TROUPE_MODULE_ABI, .name = "greeter", .types = types, .behaviors = behaviors};
