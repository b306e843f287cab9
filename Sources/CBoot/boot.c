#include "boot.h"

_Static_assert(sizeof(struct martlet_mount) == 16, "the tool and the kernel agree on this size");
_Static_assert(sizeof(struct martlet_boot) == 144, "the tool and the kernel agree on this size");
_Static_assert(sizeof(struct martlet_message) == 8, "the tool and the kernel agree on this size");
