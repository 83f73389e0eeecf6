/* A token goes round a ring of 10000 actors; COUNT hops. */
#include "ring.h"

int main(int argc, char **argv)
{
    return ring_main(argc, argv, "ring-10000", 10000);
}
