package builtin

var has = support{cpu: true, load: true, pressure: true, disk: true, connection: true}
