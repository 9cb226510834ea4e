export function fileLab() {}
