/* COUNT actors monitor one, which ends: until each has had its DOWN, and has ended. */
#include "fan.h"

int main(int argc, char **argv)
{
    return fan_main(argc, argv, "monitors", FAN_MONITORS);
}
