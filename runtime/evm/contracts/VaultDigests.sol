// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {IVault} from "./IVault.sol";

/// @title What is signed for a vault, and who has signed it
/// @dev The EIP-712 digests of the vault's domain and the two ways to check a signature. Holds no state
/// of its own, so that the vault's storage is laid out by VaultStorage.sol alone.
abstract contract VaultDigests is IVault, EIP712 {
    bytes32 internal constant VOUCHER_TYPE = keccak256("Voucher(bytes32 laneId,uint128 cumulative,bytes32 ref)");
    bytes32 internal constant LOCKED_TYPE = keccak256(
        "LockedVoucher(bytes32 laneId,uint128 cumulative,uint128 lockAmount,bytes32 lockHash,uint48 lockExpiry,bytes32 ref)"
    );
    bytes32 internal constant ESCROW_TYPE = keccak256(
        "EscrowVoucher(bytes32 laneId,uint128 cumulative,uint128 amount,address arbiter,uint48 challengeEnd,uint48 expiry,bytes32 ref)"
    );
    bytes32 internal constant RULING_TYPE = keccak256("Ruling(bytes32 voucherHash,uint128 payeeAmount)");
    bytes32 internal constant RELEASE_TYPE = keccak256("Release(bytes32 laneId,uint128 finalClaimed)");
    bytes32 internal constant RESERVATION_TYPE = keccak256("Reservation(address payee,uint64 number,uint128 total)");
    bytes32 internal constant RESERVE_TYPE = keccak256(
        "Reserve(bytes32 vaultId,Reservation[] reservations,uint48 validBefore)Reservation(address payee,uint64 number,uint128 total)"
    );
    bytes32 internal constant DEPOSIT_TYPE =
        keccak256("Deposit(bytes32 vaultId,address from,uint128 amount,uint48 validBefore,bytes32 salt)");

    constructor() EIP712("AIGEN Vault", "1") {}

    /// @inheritdoc IVault
    function vaultIdOf(Terms calldata terms) public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), terms));
    }

    /// @inheritdoc IVault
    function laneIdOf(bytes32 vaultId, address payee, uint64 number) public pure returns (bytes32) {
        return keccak256(abi.encode(vaultId, payee, number));
    }

    function _plainDigest(bytes32 laneId, uint128 cumulative, bytes32 ref) internal view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(VOUCHER_TYPE, laneId, cumulative, ref)));
    }

    function _lockedDigest(bytes32 laneId, uint128 cumulative, Lock memory lock, bytes32 ref)
        internal
        view
        returns (bytes32)
    {
        return _hashTypedDataV4(
            keccak256(abi.encode(LOCKED_TYPE, laneId, cumulative, lock.amount, lock.lockHash, lock.expiry, ref))
        );
    }

    function _escrowDigest(EscrowVoucher memory voucher) internal view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(ESCROW_TYPE, voucher)));
    }

    function _rulingDigest(bytes32 voucherHash, uint128 payeeAmount) internal view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(RULING_TYPE, voucherHash, payeeAmount)));
    }

    function _releaseDigest(bytes32 laneId, uint128 finalClaimed) internal view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(RELEASE_TYPE, laneId, finalClaimed)));
    }

    function _reserveDigest(bytes32 vaultId, Reservation[] calldata reservations, uint48 validBefore)
        internal
        view
        returns (bytes32)
    {
        bytes32[] memory rows = new bytes32[](reservations.length);
        for (uint256 i = 0; i < reservations.length; ++i) {
            rows[i] = keccak256(abi.encode(RESERVATION_TYPE, reservations[i]));
        }
        return _hashTypedDataV4(
            keccak256(abi.encode(RESERVE_TYPE, vaultId, keccak256(abi.encodePacked(rows)), validBefore))
        );
    }

    function _depositDigest(bytes32 vaultId, DepositOrder calldata order) internal view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(DEPOSIT_TYPE, vaultId, order)));
    }

    /// @dev Of keys: ecrecover alone, never ERC-1271, since EIP-7702 can put code on the signer's address,
    /// and with it void what was signed or let anybody sign.
    function _signedBy(address signer, bytes32 digest, bytes calldata signature) internal pure returns (bool) {
        (address recovered, ECDSA.RecoverError failure,) = ECDSA.tryRecoverCalldata(digest, signature);
        return failure == ECDSA.RecoverError.NoError && recovered == signer && signer != address(0);
    }

    /// @dev Of owners and depositors, who may be contract wallets: its key first, so that code on it voids
    /// nothing (EIP-7702), then the code's own word (ERC-1271). The code rules the account's money anyway.
    function _signedByAccount(address account, bytes32 digest, bytes calldata signature) internal view returns (bool) {
        if (_signedBy(account, digest, signature)) return true;
        if (account.code.length == 0) return false;
        return SignatureChecker.isValidERC1271SignatureNowCalldata(account, digest, signature);
    }

    /// @dev Of a signature that somebody else checks.
    function _parts(bytes calldata signature) internal pure returns (uint8 v, bytes32 r, bytes32 s) {
        if (signature.length != 65) revert BadSignature();
        return (uint8(signature[64]), bytes32(signature[0:32]), bytes32(signature[32:64]));
    }
}
