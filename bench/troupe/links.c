/* COUNT actors are linked to one, which ends: until all have ended. */
#include "fan.h"

int main(int argc, char **argv)
{
    return fan_main(argc, argv, "links", FAN_LINKS);
}
