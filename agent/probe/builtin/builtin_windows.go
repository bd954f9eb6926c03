package builtin

// Windows keeps no load average and measures no pressure.
var has = support{cpu: true, disk: true, connection: true}
