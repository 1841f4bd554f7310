//go:build tools

// The programs of this group. Nothing here is compiled; the imports hold the requirements in go.mod.
package tools

import (
	_ "go.etcd.io/etcd/server/v3"
)
