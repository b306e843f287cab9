#include "linux_abi.h"
